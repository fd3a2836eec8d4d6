"""What is held out of a training: a strip of every field, or some files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from augengine.errors import SourceError, SpecError
from augengine.tiling.patients import Split


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
        """Read an option: ``0.2`` is a strip, ``patient7_*,tile_3.png`` are files.

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


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
