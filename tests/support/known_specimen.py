"""Tiles on the stage with generators whose behaviour is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augengine.compiling import BuiltPair, Tile
from augengine.engines._openvino import OpenVinoBackend
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.probing.specimen import Specimen
from augengine.sample import Failure
from augengine.weights.cards import find_weights
from tests.support.known_pairs import CD68, KnownPair
from tests.support.pictures import stained


def shown(count: int = 3) -> tuple[Tile, ...]:
    """Drawn tiles of 96 px."""
    return tuple(Tile(key=f"t{i}", image_hwc=stained(seed=i)) for i in range(count))


def specimen(pair: KnownPair, weights: Path, tiles: Sequence[Tile]) -> Specimen:
    """Tiles, and a known pair under the name of a folder's CD68 generators."""
    generators = find_weights("pas", "cd68", [weights])
    height, width = tiles[0].image_hwc.shape[:2]
    threshold = derive_threshold([tile.image_hwc for tile in tiles], CD68)
    return Specimen(
        stain=CD68,
        weights=generators,
        backend=OpenVinoBackend(),
        tiles=tuple(tiles),
        markers=MarkerRule(stain=CD68, threshold=threshold),
        left_out=(Failure("t9", "the tile is of one colour"),),
        surrogate=False,
        exact=BuiltPair(
            weights=generators,
            backend="openvino",
            precision="float32",
            height=height,
            width=width,
            to_reference="not compiled",
            from_reference="not compiled",
        ),
        to_reference=pair.to_reference,
        from_reference=pair.from_reference,
    )
