"""Which patient a file belongs to, and which split each patient is in."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self, get_args

from augengine.errors import SourceError
from augengine.sample import folded
from augengine.storage import read_plain

Split = Literal["train", "validation", "test"]

_COLUMNS = ("file", "patient", "split")
_ONE = "a row has a file's name or path, in shards a tile's key without an ending, or a glob; each needs one patient"
MAX_PATIENTS_BYTES = 1 << 26
_ROW = "a row is a file or a glob of files, its patient, and train, validation or test; a column mpp may follow"
_CODING = "save it once more as UTF-8; in Excel that is 'CSV UTF-8'"
_MPP = re.compile(r"\bmpp|mpp\b|pixel.?size|(um|[\u00b5\u03bc]m|microns?|micromet\w+).*(px|pixel)")
"""Names of columns that are probably meant as um/px, in lower case."""

_SHOWN = 5
"""Problems that a message lists; more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """One row of the patients' file.

    Attributes:
        file: Name or path of a file, with or without its extension, or a glob of these.
        patient: Whose it is.
        split: Where this patient belongs.
        mpp: um/px of level 0 of these slides; None where the row does not say it.
    """

    file: str
    patient: str
    split: Split
    mpp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patients:
    """Which patient each picture is of, and the split of each patient.

    Attributes:
        rows: The rows of the patients' file.

    Raises:
        SourceError: A patient is in two splits.
    """

    rows: tuple[PatientRow, ...]

    def __post_init__(self) -> None:
        check_one_split((row.patient, row.split) for row in self.rows)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a CSV file with the columns file, patient and split, and perhaps mpp.

        Commas, semicolons and tabs separate; the header's letter case does not matter, and blank rows are passed over.

        Raises:
            SourceError: It cannot be read, or misses columns or values, or has a patient in two splits. The message
                names every bad row.
        """
        try:
            text = read_plain(file, limit=MAX_PATIENTS_BYTES).decode("utf-8-sig")
            return cls(rows=tuple(_rows(text, file)))
        except UnicodeDecodeError as error:
            raise SourceError(f"the patients' file {file} is in another coding than UTF-8", hint=_CODING) from error
        except (OSError, csv.Error) as error:
            raise SourceError(f"the patients' file {file} cannot be read: {error}", hint=_ROW) from error

    def split(self, names: Sequence[str], text: str) -> list[tuple[str, Split]]:
        """(patient, split) of each picture; see `rows_of`."""
        return [(row.patient, row.split) for row in self.rows_of(names, text)]

    def rows_of(self, paths: Sequence[str], text: str) -> list[PatientRow]:
        """The row of each file, by its relative path, or by its name alone where no other file has it.

        A row that is the very name of a file goes before globs, and means this file alone, even if it holds a
        glob's signs.

        Args:
            paths: With ``/``, from where the user named them.
            text: What they are files of, for messages.

        Raises:
            SourceError: Files without a patient or with several, or a name that would mean several files. The message
                names all of them.
        """
        indices = self._index(str), self._index(folded)
        literal = {path: _literal(path, *indices) for path in paths}
        taken = {row.file for rows in literal.values() for row in rows}
        globs = [row for row in self.rows if row.file not in taken]
        same = Counter(_name(path) for path in paths)
        found, problems = list[PatientRow](), list[str]()
        for path in paths:
            rows = literal[path] or _matching(path, globs)
            problem = _problem(path, rows, same[_name(path)], text)
            problems += [problem] if problem else []
            found += rows[:1]
        _refuse(problems, hint=_ONE)
        return found

    def _index(self, form: Callable[[str], str]) -> Mapping[str, list[PatientRow]]:
        """The rows by a form of what they call their file."""
        found: dict[str, list[PatientRow]] = {}
        for row in self.rows:
            found.setdefault(form(row.file), []).append(row)
        return found


def _literal(
    path: str, written: Mapping[str, list[PatientRow]], compared: Mapping[str, list[PatientRow]]
) -> list[PatientRow]:
    """The rows that name a file: first as it is written, then in another letter case or Unicode form."""
    names = [name for each in dict.fromkeys((path, _name(path))) for name in (each, *_stems(each))]
    candidates = [*(written.get(name, []) for name in names), *(compared.get(folded(name), []) for name in names)]
    return next((rows for rows in candidates if rows), [])


def _matching(path: str, globs: Sequence[PatientRow]) -> list[PatientRow]:
    """The rows whose glob matches a file's path; where there is none, those that match its name."""
    rows = [row for row in globs if fnmatchcase(path, row.file)]
    return rows or [row for row in globs if fnmatchcase(_name(path), row.file)]


def _problem(path: str, rows: Sequence[PatientRow], same: int, text: str) -> str:
    """Why the rows that were found are not the row of one file; empty if they are."""
    patients = sorted({row.patient for row in rows})
    mpps = {row.mpp for row in rows}
    if len(patients) != 1:
        if not patients:
            return f"{path} of {text} is in no row of the patients' file"
        return f"{path} of {text} matches {len(patients)} patients: {', '.join(patients)}"
    if len(mpps) > 1:
        return f"{path} of {text} has several um/px: {', '.join(map(str, mpps))}"
    if same > 1 and not any(_means_path(row.file, path) for row in rows):
        return f"{same} files of {text} are called {_name(path)}: write the path, {path}, into the patients' file"
    return ""


def _means_path(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) or folded(pattern) in map(folded, (path, *_stems(path)))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stems(path: str) -> list[str]:
    """A path without its extension, and without ``.ome`` before that."""
    stem, dot, last = path.rpartition(".")
    return list(dict.fromkeys((stem, stem.removesuffix(".ome")))) if dot and stem and "/" not in last else []


def check_one_split(pairs: Iterable[tuple[str, Split]]) -> None:
    """Refuse patients who are in two splits; names that differ in letter case or Unicode form are one patient.

    Raises:
        SourceError: It names each of them and both splits.
    """
    seen: dict[str, Split] = {}
    twice = {
        f"the patient {patient} is in two splits, {seen[folded(patient)]} and {split}": None
        for patient, split in pairs
        if seen.setdefault(folded(patient), split) != split
    }
    hint = "a patient's pictures resemble each other: measured on one who was trained on, everything looks good"
    _refuse(list(twice), hint=hint)


def _rows(text: str, file: Path) -> Iterator[PatientRow]:
    header = text.lstrip().partition("\n")[0]
    separator = next((sign for sign in "\t;" if sign in header), ",")
    reader = csv.DictReader(io.StringIO(text.lstrip()), delimiter=separator)
    names = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
    if missing := [name for name in _COLUMNS if name not in names]:
        has = ", ".join(repr(name) for name in names if name) or "none"
        raise SourceError(
            f"the patients' file {file} has no column {', '.join(map(repr, missing))}; it has {has}", hint=_ROW
        )
    _check_columns(reader.fieldnames or (), file)
    rows, problems = list[PatientRow](), list[str]()
    for row in reader:
        values = {name: (row[own] or "").strip() for name, own in names.items()}
        try:
            rows += [_row(values)] if any(values.values()) else []
        except ValueError as error:
            problems.append(f"line {reader.line_num} of {file} {error}")
    _refuse(problems, hint=_ROW)
    yield from rows


def _check_columns(names: Sequence[str], file: Path) -> None:
    """Refuse a column of patients that comes twice, and um/px under another name than ``mpp``."""
    plain = [(name or "").strip().casefold() for name in names]
    if twice := [name for name in (*_COLUMNS, "mpp") if plain.count(name) > 1]:
        raise SourceError(f"the patients' file {file} has the column {twice[0]!r} twice", hint="remove one of them")
    if "mpp" not in plain and (like := next((name for name in plain if _MPP.search(name)), None)):
        hint = "call it mpp if it is the um/px of level 0; if not, remove it"
        raise SourceError(f"the patients' file {file} has a column {like!r}, which is not read", hint=hint)


def _row(values: Mapping[str, str]) -> PatientRow:
    """A row's value.

    Raises:
        ValueError: It is none; says why, after "line 2".
    """
    name, patient, split = (values[column] for column in _COLUMNS)
    if not name or not patient or split.casefold() not in get_args(Split):
        raise ValueError(f"says {name!r}, {patient!r}, {split!r}")
    return PatientRow(file=name, patient=patient, split=split.casefold(), mpp=_mpp(values.get("mpp", "")))  # type: ignore[arg-type]  # checked above


def _mpp(text: str) -> float | None:
    if not text:
        return None
    try:
        mpp = float(text.replace(",", "."))
    except ValueError:
        mpp = 0.0
    if not 0 < mpp < 100:
        raise ValueError(f"says {text!r} um/px, which is no number in (0, 100)")
    return mpp


def _refuse(problems: Sequence[str], *, hint: str) -> None:
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise SourceError("; ".join(problems[:_SHOWN]) + more, hint=hint)
