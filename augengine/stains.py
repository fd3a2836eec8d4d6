"""Stains: the built-in ones, and the user's own from a TOML file."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from augengine.errors import SpecError, StainError

Vector = tuple[float, float, float]

HAEMATOXYLIN: Vector = (0.65, 0.70, 0.29)
"""Optical density of haematoxylin in R, G, B (Ruifrok and Johnston 2001)."""

PAPERS_EPS = 0.05
"""The best eps of section 3 of the paper (ISBI 2021)."""

_MIN_ANGLE = 2.0  # degrees; the built-in chromogens are 29 to 37 from haematoxylin


@dataclass(frozen=True, slots=True, kw_only=True)
class Stain:
    """A stain and what is known of augmenting it.

    Attributes:
        name: Lower case; names folders, shards and options.
        reference: The stain it is translated to and back from; None for a reference stain itself.
        chromogen: Optical density of the marker in R, G, B, any length.
        counterstain: Optical density of the nuclear stain.
        realistic_eps: Largest eps whose outputs look real; above it a run warns. None if nobody measured it.
        recommended_eps: eps to start with; None if nobody measured it.
        note: One line for the user, where something needs saying.
    """

    name: str
    reference: str | None
    chromogen: Vector
    counterstain: Vector = HAEMATOXYLIN
    realistic_eps: float | None = None
    recommended_eps: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c == "_" for c in self.name) or self.name != self.name.lower():
            raise SpecError(f"a stain's name has lower-case letters, digits and _ only, got {self.name!r}")
        for vector in (self.chromogen, self.counterstain):
            if len(vector) != 3 or min(vector) < 0 or max(vector) <= 0:
                raise SpecError(f"a stain vector has three optical densities >= 0, not all 0, got {vector}")
        if _angle(self.chromogen, self.counterstain) < _MIN_ANGLE:
            raise SpecError(
                f"the chromogen {self.chromogen} and the counterstain {self.counterstain} are one colour: no "
                "deconvolution tells them apart"
            )
        for eps in (self.realistic_eps, self.recommended_eps):
            if eps is not None and not 0 < eps <= 2:
                raise SpecError(f"eps must be in (0, 2], got {eps}")

    @property
    def usual_eps(self) -> float:
        """The eps to look at where none is asked for: the recommended one, else the paper's best."""
        return self.recommended_eps or PAPERS_EPS

    @staticmethod
    def from_toml(file: Path) -> Stain:
        """Read a stain from a TOML file whose keys are the attributes above.

        Raises:
            StainError: Unreadable, not TOML, an unknown key, or a value out of its range.
        """
        return Stain.from_text(read_stain_file(file), file)

    @staticmethod
    def from_text(text: str, file: Path) -> Stain:
        """Read a stain from the text of a TOML file; ``file`` is named in errors.

        Raises:
            StainError: Not TOML, an unknown key, or a value out of its range.
        """
        return _parse(text, file)

    def to_toml(self) -> str:
        """The text of a file from which `from_toml` reads this stain."""
        values = {name: value for name, value in asdict(self).items() if value is not None and value != ""}
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _angle(one: Vector, other: Vector) -> float:
    """Degrees between two directions."""
    cosine = sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))
    return math.degrees(math.acos(min(1.0, cosine)))


def read_stain_file(file: Path) -> str:
    """The text of a stain file.

    Raises:
        StainError: It cannot be read, or is not UTF-8.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise StainError(f"the stain file {file} is no plain file", hint="name a TOML file")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise StainError(f"cannot read the stain file {file}: {error.strerror}", hint="check its path") from error
    except UnicodeDecodeError as error:
        raise StainError(f"cannot read the stain file {file}: {error}", hint="save it as UTF-8") from error


def _parse(text: str, file: Path) -> Stain:
    try:
        return Stain(**_plain(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, SpecError) as error:
        hint = f"its keys are {', '.join(_MEANT)}"
        raise StainError(f"cannot read the stain file {file}: {error}", hint=hint) from error


_TEXT, _NUMBER, _VECTOR = "a text", "a number", "three optical densities, of R, G and B"
_MAX_VALUE = 1e6
_MEANT = {
    "name": _TEXT,
    "reference": _TEXT,
    "chromogen": _VECTOR,
    "counterstain": _VECTOR,
    "realistic_eps": _NUMBER,
    "recommended_eps": _NUMBER,
    "note": _TEXT,
}


ABOUT_KEYS: Mapping[str, str] = {
    "name": "required; lower case: it names folders, shards and options",
    "chromogen": "required; the marker's optical density in R, G and B, such as [0.27, 0.57, 0.78] for DAB; any length",
    "counterstain": "the nuclear stain's optical density in R, G and B; haematoxylin where it is left out",
    "reference": 'the stain it is translated to and back from, such as "pas"; left out for a reference stain itself',
    "recommended_eps": "the eps to take where none is asked for; augengine probe --apply writes it",
    "realistic_eps": "the largest eps whose outputs look real to you; above it augment warns",
    "note": "one line that is shown to whoever uses the stain",
}
"""What each key of a stain's TOML file says."""


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """A stain's fields as a file has them; `SpecError` names what is missing, unknown or of another type."""
    for name in ("name", "chromogen"):
        if name not in data:
            raise SpecError(f"it has no {name}: {_MEANT[name]}")
    for name, value in data.items():
        if name not in _MEANT:
            raise SpecError(f"it has an unknown key {name!r}")
        if not _is(_MEANT[name], value):
            raise SpecError(f"its {name} is {value!r}, which is not {_MEANT[name]}")
    return {"reference": None, **{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}}


def _is(meant: str, value: object) -> bool:
    if meant == _VECTOR:
        return isinstance(value, list) and len(value) == 3 and all(_is(_NUMBER, each) for each in value)
    if meant == _TEXT:
        return isinstance(value, str)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < _MAX_VALUE  # not true of nan


# Chromogen vectors: DAB from Ruifrok and Johnston 2001; PAS magenta and the red CD34 chromogen in the same frame.
_DAB: Vector = (0.27, 0.57, 0.78)
_RED: Vector = (0.21, 0.85, 0.48)
_PAS_MAGENTA: Vector = (0.18, 0.91, 0.37)

BUILT_IN: Mapping[str, Stain] = {
    stain.name: stain
    for stain in (
        Stain(name="pas", reference=None, chromogen=_PAS_MAGENTA),
        # Realistic bounds: section 3 of the paper. The recommended eps: what the cards of the pairs say.
        Stain(name="cd68", reference="pas", chromogen=_DAB, realistic_eps=0.3, recommended_eps=0.07),
        Stain(name="cd34", reference="pas", chromogen=_RED, realistic_eps=0.1, recommended_eps=0.05),
        Stain(
            name="hdab",
            reference="pas",
            chromogen=_DAB,
            note="haematoxylin and DAB, whatever the marker; it has no weights of its own in the package",
        ),
    )
}


def find_stain(name: str, folder: Path | None = None) -> Stain:
    """The stain of this name: a TOML file's path, ``{folder}/{name}.toml``, or a built-in one.

    Raises:
        StainError: Nothing of that name.
    """
    if name.endswith(".toml"):
        return Stain.from_toml(Path(name))
    own = folder / f"{name}.toml" if folder else None
    if own and own.is_file():
        stain = Stain.from_toml(own)
        if stain.name != name:
            raise StainError(f"{own} describes the stain {stain.name!r}", hint="give the file the name of its stain")
        return stain
    if name in BUILT_IN:
        return BUILT_IN[name]
    known = ", ".join(sorted(BUILT_IN))
    where = f"a file {own}" if own else "a TOML file's path"
    close = get_close_matches(name.lower(), BUILT_IN, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise StainError(f"unknown stain {name!r}", hint=f"{meant}built in are {known}; {where} adds your own")
