"""Tissue on the stage: tiles that show some, and the float32 engines to look at them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from augengine.compiling import BuiltPair, Tile, Tiles, exact_engines, generators_for, tiles_to_judge, to_inputs
from augengine.dataset.check import check_source_mpp
from augengine.draws.noise import FloatImage
from augengine.engines.base import Backend
from augengine.measures import Translate
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerRule
from augengine.probing.request import SpecimenRequest
from augengine.probing.scanning import scan
from augengine.sample import Failure
from augengine.spec import round_side
from augengine.stains import Stain
from augengine.weights.cards import WeightsPair
from augengine.weights.home import find_own_stain

OnNote = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """What is looked at.

    Attributes:
        stain: The stain and its vectors.
        weights: The generators.
        backend: What runs them.
        tiles: uint8 (H, W, 3) of one size, at least one; chosen as `augment` chooses those that it judges a pair on.
        markers: What counts as a marker.
        left_out: Samples that could not be chosen, and why.
        surrogate: The tiles are those of the sample set, which these generators do not know.
        exact: The float32 engines.
        to_reference, from_reference: Both of them, as functions of images of that size.
    """

    stain: Stain
    weights: WeightsPair
    backend: Backend
    tiles: tuple[Tile, ...]
    markers: MarkerRule
    left_out: tuple[Failure, ...]
    surrogate: bool
    exact: BuiltPair
    to_reference: Translate
    from_reference: Translate

    @property
    def keys(self) -> list[str]:
        """The samples' keys."""
        return [tile.key for tile in self.tiles]

    @property
    def images(self) -> list[RgbImage]:
        """The tiles' pixels."""
        return [tile.image_hwc for tile in self.tiles]

    @property
    def inputs(self) -> list[FloatImage]:
        """The tiles as the generators take them, float32 (3, H, W) in [-1, 1]."""
        return to_inputs(self.tiles)


@contextmanager
def open_specimen(
    request: SpecimenRequest, *, threshold: float | None = None, note: OnNote, warn: OnNote
) -> Iterator[Specimen]:
    """Find tissue and engines; missing ones are compiled. The engines are closed at the end.

    Args:
        request: What is asked for.
        threshold: Chromogen concentration of a marker; None derives it from the tiles.
        note, warn: Told in a line.

    Raises:
        SpecError: A reference stain, or um/px far from the generators' own.
        SourceError: No sample can be read, or none shows tissue.
        AugengineError: No such stain or weights, no backend, or a compiler that refuses.
    """
    stain = find_own_stain(request.stain)
    source, listing = scan(request.source, stain.name, masks=request.masks, mask_suffix=request.mask_suffix)
    weights = generators_for(stain, source, request.weights, note)
    check_source_mpp(listing, weights.mpp, stated=request.mpp, allowed=request.allow_mpp, warn=warn)
    height, width = (round_side(min(side, request.size), weights.multiple) for side in listing.largest)
    tiles = Tiles(source=source, listing=listing, stain=stain, known=weights.of_sample_set)
    found = tiles_to_judge(tiles, request.tiles, height, width, threshold=threshold)
    with exact_engines(weights, request.backend, height, width, note) as engines:
        yield Specimen(
            stain=stain,
            weights=weights,
            tiles=found.shown,
            markers=found.markers,
            left_out=found.left_out,
            surrogate=tiles.surrogate,
            backend=engines.backend,
            exact=engines.built,
            to_reference=engines.to_reference,
            from_reference=engines.from_reference,
        )
