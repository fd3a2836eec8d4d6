"""Which patient a file is of, and which split each patient is in."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self, get_args

from augengine.errors import SourceError

Split = Literal["train", "validation", "test"]

_COLUMNS = ("file", "patient", "split")
_ROW = "a row is a file or a glob of files, its patient, and train, validation or test"


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

    def of_files(self, paths: Sequence[str], text: str) -> list[tuple[str, Split]]:
        """(patient, split) of each file, by its relative path, or by its name alone where no other has it.

        Args:
            paths: With ``/``, from where the user named them.
            text: What they are files of, for messages.

        Raises:
            SourceError: A file without a patient or with several, or a name that would stand for several files.
        """
        count = Counter(path.rpartition("/")[2] for path in paths)
        return [self._of_file(path, count, text) for path in paths]

    def _of_file(self, path: str, count: Mapping[str, int], text: str) -> tuple[str, Split]:
        name = path.rpartition("/")[2]
        if any(fnmatchcase(path, pattern) for pattern, _, _ in self.rows):
            return self._of(path, text)
        if count[name] > 1 and any(fnmatchcase(name, pattern) for pattern, _, _ in self.rows):
            hint = f"write its path, {path}, into the patients' file"
            raise SourceError(
                f"{count[name]} files of {text} are called {name}: which is meant is not known", hint=hint
            )
        return self._of(name, text)

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


def _row(row: dict[str, str | None], number: int, file: Path) -> tuple[str, str, Split]:
    name, patient, split = ((row[column] or "").strip() for column in _COLUMNS)
    if not name or not patient or split not in get_args(Split):
        raise SourceError(f"line {number} of {file} says {name!r}, {patient!r}, {split!r}", hint=_ROW)
    return name, patient, split  # type: ignore[return-value]  # checked above
