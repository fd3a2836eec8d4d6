"""Whose tiles a segmenter has seen: measured on them again, it looks better than it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from augengine_train.unet.tiles import Tile

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """The tiles that a training used, by name.

    Attributes:
        patients: Whose tiles they are, sorted; empty where the tiles name no patient.
        tiles: Their keys, sorted.
    """

    patients: tuple[str, ...]
    tiles: tuple[str, ...]

    @classmethod
    def of(cls, tiles: Iterable[Tile]) -> Self:
        """Those tiles and their patients."""
        found = list(tiles)
        patients = {tile.patient for tile in found} - {""}
        return cls(patients=tuple(sorted(patients)), tiles=tuple(sorted(tile.key for tile in found)))

    def describe_again(self, tiles: Sequence[Tile], how: str) -> str:
        """A line about those of some tiles that are seen again, or whose patients are; empty if there are none.

        Args:
            tiles: What is to be measured.
            how: What the tiles of this value were used for.
        """
        patients, keys = set(self.patients), set(self.tiles)
        again = [tile for tile in tiles if tile.patient in patients or tile.key in keys]
        if not again:
            return ""
        names = sorted({tile.patient if tile.patient in patients else tile.key for tile in again})
        some = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        return f"{len(again)} of {len(tiles)} tiles are of what the model was {how}, which flatters it: {some}"
