"""Stains: the built-in ones, and the user's own from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from augengine.errors import SpecError, StainError

Vector = tuple[float, float, float]

HAEMATOXYLIN: Vector = (0.65, 0.70, 0.29)
"""Optical density of haematoxylin in R, G, B (Ruifrok and Johnston 2001)."""


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
        for eps in (self.realistic_eps, self.recommended_eps):
            if eps is not None and not 0 < eps <= 2:
                raise SpecError(f"eps must be in (0, 2], got {eps}")

    @classmethod
    def from_toml(cls, file: Path) -> Self:
        """Read a stain from a TOML file whose keys are the attributes above.

        Raises:
            StainError: Unreadable, not TOML, an unknown key, or a value out of its range.
        """
        try:
            data = tomllib.loads(file.read_text())
            return cls(**_plain(data))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, SpecError) as error:
            hint = "its keys are name, reference, chromogen, counterstain, realistic_eps, recommended_eps, note"
            raise StainError(f"cannot read the stain file {file}: {error}", hint=hint) from error


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"reference": None, **{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}}


# Chromogen vectors: DAB from Ruifrok and Johnston 2001; PAS magenta and the red CD34 chromogen in the same frame.
_DAB: Vector = (0.27, 0.57, 0.78)
_RED: Vector = (0.21, 0.85, 0.48)
_PAS_MAGENTA: Vector = (0.18, 0.91, 0.37)

BUILT_IN: Mapping[str, Stain] = {
    stain.name: stain
    for stain in (
        Stain(name="pas", reference=None, chromogen=_PAS_MAGENTA),
        # Realistic bounds and the recommended eps: section 3 of the paper.
        Stain(name="cd68", reference="pas", chromogen=_DAB, realistic_eps=0.3, recommended_eps=0.05),
        Stain(name="cd34", reference="pas", chromogen=_RED, realistic_eps=0.1, recommended_eps=0.05),
        Stain(name="hdab", reference="pas", chromogen=_DAB, note="the stain of the sample picture (colon)"),
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
    raise StainError(f"unknown stain {name!r}", hint=f"built in are {known}; {where} adds your own")
