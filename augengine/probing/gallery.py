"""The pictures of a report, encoded as they are made: each tile, and its variants at every sigma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from augengine.compiling import Tile
from augengine.draws.noise import FloatImage
from augengine.measures import Cycle, to_rgb
from augengine.measures.objects import gone
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.encode import encode_jpeg
from augengine.pictures.markers import MarkerMask, MarkerRule
from augengine.pictures.overlays import Colour, borders, overlay_png
from augengine.pictures.resample import shrunk, shrunk_classes

MAX_PICTURE_PX = 384
"""Longest side of a picture in the report, pixels; larger tiles are made smaller."""

_QUALITY = 80
_BORDER: tuple[Colour, ...] = ((0, 140, 70, 255),)
"""Green is the colour that neither haematoxylin nor a chromogen has."""

GONE: Colour = (214, 40, 40, 170)
COME: Colour = (0, 90, 255, 190)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One variant of one tile: a JPEG, and a PNG to lie over it that marks where markers went and came."""

    picture: bytes
    moves: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitter:
    """One tile, encoded.

    Attributes:
        key: Its sample's key.
        source: JPEG of the tile.
        intermediate: JPEG of A'.
        outline: PNG with the borders of its mask; None if it has no mask.
    """

    key: str
    source: bytes
    intermediate: bytes
    outline: bytes | None


@dataclass(slots=True)
class Gallery:
    """Pictures of tiles and of their variants, collected while a probe measures.

    Attributes:
        sitters: One for each tile.
        shots: By sigma: for each tile, its draws. Sigma 0 has one, the reconstruction without noise.
    """

    sitters: list[Sitter] = field(default_factory=list)
    shots: dict[float, list[list[Shot]]] = field(default_factory=dict)

    def sit(self, tiles: Sequence[Tile], cycles: Sequence[Cycle]) -> None:
        """Take the tiles themselves, and their translations."""
        self.sitters = [
            Sitter(
                key=tile.key,
                source=_jpeg(tile.image_hwc),
                intermediate=_jpeg(to_rgb(cycle.there)),
                outline=None if tile.mask is None else _outline(tile.mask),
            )
            for tile, cycle in zip(tiles, cycles, strict=True)
        ]

    def shoot(
        self, sigma: float, draws: Sequence[Sequence[FloatImage]], masks: Sequence[MarkerMask], rule: MarkerRule
    ) -> None:
        """Take what one sigma made of the tiles.

        Args:
            sigma: Standard deviation of the noise.
            draws: Variants, float32 (3, H, W) in [-1, 1], one for each tile, of each draw.
            masks: Markers of the tiles themselves, bool (H, W).
            rule: What counts as a marker.
        """
        self.shots[sigma] = [
            [_shot(to_rgb(drawn[which]), mask, rule) for drawn in draws] for which, mask in enumerate(masks)
        ]


def _shot(made: RgbImage, before: MarkerMask, rule: MarkerRule) -> Shot:
    after = rule.mask(made)
    moves = gone(before, after).astype(np.uint8)
    moves[gone(after, before)] = 2
    return Shot(picture=_jpeg(made), moves=overlay_png(shrunk_classes(moves, MAX_PICTURE_PX), (GONE, COME)))


def _outline(mask: Mask) -> bytes:
    return overlay_png(borders(shrunk_classes(mask, MAX_PICTURE_PX)), _BORDER)


def _jpeg(image_hwc: RgbImage) -> bytes:
    return encode_jpeg(shrunk(image_hwc, MAX_PICTURE_PX), _QUALITY)
