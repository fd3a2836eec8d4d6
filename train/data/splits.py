"""What is held out of a training: a strip of every field, some files, or some patients."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self, get_args

from augengine.errors import SourceError, SpecError

Split = Literal["train", "validation", "test"]

_COLUMNS = ("file", "patient", "split")
_ROW = "a row is a file or a glob of files, its patient, and train, validation or test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """What is not trained on but measured.

    Attributes:
        strip: Share of every picture's width, at its right side; 0 for none.
        files: Names of pictures, or globs of names, that are held out whole.
    """

    strip: float = 0.0
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.strip <= 0.5:
            raise SpecError(f"the held-out strip is a share of the width in [0, 0.5], got {self.strip}")
        if self.strip and self.files:
            raise SpecError("either a strip or some files are held out, not both")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From an option: ``0.2`` is a strip, ``patient7_*,tile_3.png`` are files.

        Raises:
            SpecError: A share out of its range, or nothing.
        """
        try:
            return cls(strip=float(text))
        except ValueError as error:
            if isinstance(error, SpecError):
                raise
        files = tuple(name.strip() for name in text.split(",") if name.strip())
        if not files:
            raise SpecError("nothing is held out by an empty text", hint="say 0.2 for a strip, or names of files")
        return cls(files=files)

    def split(self, names: Sequence[str], text: str) -> list[Split]:
        """The split of each picture; strips do not count here.

        Raises:
            SourceError: A name that no picture has.
        """
        for pattern in self.files:
            if not any(fnmatchcase(name, pattern) for name in names):
                hint = f"names are as in {names[0]}" if names else ""
                raise SourceError(f"no picture of {text} is called {pattern}, yet it is to be held out", hint=hint)
        return ["validation" if _matches(name, self.files) else "train" for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patients:
    """Which patient each picture is of, and the split of each patient.

    Attributes:
        rows: (name or glob, patient, split).

    Raises:
        SourceError: A patient is in two splits.
    """

    rows: tuple[tuple[str, str, Split], ...]

    def __post_init__(self) -> None:
        check_one_split((patient, split) for _, patient, split in self.rows)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a CSV file with the columns file, patient and split.

        Raises:
            SourceError: It cannot be read, misses a column or a value, or has a patient in two splits.
        """
        try:
            with file.open(newline="", encoding="utf-8-sig") as stream:
                reader = csv.DictReader(stream)
                rows = list(reader)
                header = tuple(reader.fieldnames or ())
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"the patients' file {file} cannot be read: {error}", hint=_ROW) from error
        if missing := [name for name in _COLUMNS if name not in header]:
            raise SourceError(f"the patients' file {file} has no column {missing[0]!r}", hint=_ROW)
        return cls(rows=tuple(_row(row, number, file) for number, row in enumerate(rows, start=2)))

    def split(self, names: Sequence[str], text: str) -> list[tuple[str, Split]]:
        """(patient, split) of each picture.

        Raises:
            SourceError: A picture without a patient, or with several.
        """
        return [self._of(name, text) for name in names]

    def _of(self, name: str, text: str) -> tuple[str, Split]:
        found = {(patient, split) for pattern, patient, split in self.rows if fnmatchcase(name, pattern)}
        if len(found) != 1:
            patients = ", ".join(sorted(patient for patient, _ in found)) or "none"
            hint = "every picture needs exactly one patient in the patients' file"
            raise SourceError(f"{name} of {text} matches {len(found)} patients: {patients}", hint=hint)
        return found.pop()


def check_one_split(pairs: Iterable[tuple[str, Split]]) -> None:
    """Refuse a patient who is in two splits.

    Raises:
        SourceError: It names the patient and both splits.
    """
    seen: dict[str, Split] = {}
    for patient, split in pairs:
        if seen.setdefault(patient, split) != split:
            hint = "a patient's pictures resemble each other: measured on one who was trained on, everything looks good"
            raise SourceError(f"the patient {patient} is in two splits, {seen[patient]} and {split}", hint=hint)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _row(row: dict[str, str | None], number: int, file: Path) -> tuple[str, str, Split]:
    name, patient, split = ((row[column] or "").strip() for column in _COLUMNS)
    if not name or not patient or split not in get_args(Split):
        raise SourceError(f"line {number} of {file} says {name!r}, {patient!r}, {split!r}", hint=_ROW)
    return name, patient, split  # type: ignore[return-value]  # checked above
