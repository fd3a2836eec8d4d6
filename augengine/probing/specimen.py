"""Tissue on the stage: tiles that show some, and the float32 engines to look at them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from augengine.chain.translate import normalise
from augengine.compiling import BuiltPair, Tile, Tiles, compile_pairs, load_pair
from augengine.dataset.check import check_source_mpp
from augengine.draws.noise import FloatImage
from augengine.engines.backends import pick_backend
from augengine.engines.base import Backend, Engine
from augengine.engines.fidelity import run_on_host
from augengine.engines.store import EngineStore
from augengine.errors import EngineError, SourceError, SpecError
from augengine.listing import Listing
from augengine.measures import Translate
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.probing.request import SpecimenRequest
from augengine.sample import Failure
from augengine.sources import SampleSet, Source, open_source
from augengine.sources.sample_set import NOTE
from augengine.spec import round_side
from augengine.stains import Stain, find_stain
from augengine.weights.cards import WeightsPair, find_weights
from augengine.weights.home import home, weight_roots

LEAST_TISSUE = 0.05
"""Share of a tile that must be tissue: below it there is a rim, and nothing to say about markers."""

# Grey levels; a tile of one colour, compression included, deviates less.
_LEAST_DEVIATION = 1.0

_LEAST_REFERENCE = 64
"""px; spectra of larger tiles have the same rings, whatever their sizes."""

OnNote = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """What is looked at.

    Attributes:
        stain: The stain and its vectors.
        weights: The generators.
        backend: What runs them.
        tiles: uint8 (H, W, 3) of one size, at least one.
        left_out: Samples that were passed over, and why.
        surrogate: The tiles are those of the sample set, which these generators do not know.
        exact: The float32 engines.
        to_reference, from_reference: Both of them, as functions of images of that size.
    """

    stain: Stain
    weights: WeightsPair
    backend: Backend
    tiles: tuple[Tile, ...]
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
def open_specimen(request: SpecimenRequest, *, note: OnNote, warn: OnNote) -> Iterator[Specimen]:
    """Find tissue and engines; missing ones are compiled. The engines are closed at the end.

    Args:
        request: What is asked for.
        note, warn: Told in a line.

    Raises:
        SpecError: A reference stain, or um/px far from the generators' own.
        SourceError: No sample can be read, or none shows tissue.
        AugengineError: No such stain or weights, no backend, or a compiler that refuses.
    """
    stain = find_stain(request.stain, home() / "stains")
    if stain.reference is None:
        raise SpecError(f"{stain.name} is a reference stain", hint="name a stain that is translated to it, as cd68")
    source, listing = _scan(request.source, stain.name)
    on_sample_set = isinstance(source, SampleSet)
    weights = find_weights(stain.reference, stain.name, weight_roots(request.weights, sample_set=on_sample_set))
    if on_sample_set:
        note(NOTE)
    check_source_mpp(listing, weights.mpp, stated=request.mpp, allowed=request.allow_mpp, warn=warn)
    height, width = (min(round_side(side), round_side(request.size)) for side in listing.largest)
    tiles = Tiles(source=source, listing=listing, stain=stain, known=weights.of_sample_set)
    shown, left_out = _showing_tissue(tiles, request.tiles, height, width)
    backend, store = pick_backend(request.backend), EngineStore(home() / "engines")
    (pair,) = compile_pairs(weights, backend, store, height=height, width=width, precisions=(), on_note=note)
    exact = load_pair(pair, store)
    try:
        yield Specimen(
            stain=stain,
            weights=weights,
            backend=backend,
            tiles=shown,
            left_out=left_out,
            surrogate=tiles.surrogate,
            exact=pair,
            to_reference=_on(exact.to_reference),
            from_reference=_on(exact.from_reference),
        )
    finally:
        exact.close()


def reference_tiles(text: str, specimen: Specimen, request: SpecimenRequest) -> list[FloatImage]:
    """Real tiles of the reference stain, float32 (3, H, W) in [-1, 1].

    They are as large as the specimen's, or as the smallest of them: a tile mirrored to a larger size has another
    spectrum.

    Args:
        text: The source.
        specimen: What they are to be compared with.
        request: What was asked for; its um/px hold for this source too.

    Raises:
        SourceError: None can be read, none shows tissue, or one is too small.
        SpecError: Their um/px are far from the generators' own.
    """
    try:
        source, listing = _scan(text, specimen.weights.reference)
    except SourceError as error:
        raise SourceError(error.message, hint=error.hint.replace("--in ", "--reference-in ")) from error
    own = specimen.weights.mpp
    check_source_mpp(listing, own, stated=request.mpp, allowed=request.allow_mpp, warn=lambda _: None)
    # The stain only names what a surrogate is recoloured to, and a source that was given is none.
    tiles = Tiles(source=source, listing=listing, stain=specimen.stain)
    wanted = specimen.tiles[0].image_hwc.shape[:2]
    height, width = (min(side, least) for side, least in zip(wanted, listing.smallest, strict=True))
    if (height, width) != wanted and min(height, width) < _LEAST_REFERENCE:
        raise SourceError(
            f"the smallest image in {text} is {width} x {height} px: no spectrum to compare with",
            hint=f"leave out those below {_LEAST_REFERENCE} px",
        )
    shown, _ = _showing_tissue(tiles, request.tiles, height, width)
    return to_inputs(shown)


def marker_rule(specimen: Specimen, threshold: float | None) -> MarkerRule:
    """What counts as a marker: from that concentration on, or from the one that the tiles tell."""
    found = derive_threshold(specimen.images, specimen.stain) if threshold is None else threshold
    return MarkerRule(stain=specimen.stain, threshold=found)


def to_inputs(tiles: Sequence[Tile]) -> list[FloatImage]:
    """float32 (3, H, W) in [-1, 1] of each tile."""
    return list(normalise([tile.image_hwc for tile in tiles]))


def _scan(text: str | None, stain: str) -> tuple[Source, Listing]:
    source = open_source(text, stain=stain)
    listing = source.scan()
    if not any(listing.largest):
        raise SourceError(f"no readable image in {text}", hint="png, jpg, tif, webp and bmp are read")
    return source, listing


def _showing_tissue(tiles: Tiles, count: int, height: int, width: int) -> tuple[tuple[Tile, ...], tuple[Failure, ...]]:
    shown: list[Tile] = []
    left_out: list[Failure] = []
    for found in map(_judged, tiles.each(count, height, width)):
        if isinstance(found, Failure):
            left_out.append(found)
        else:
            shown.append(found)
        if len(shown) == count:
            break
    if not shown:
        first = f"{left_out[0].key}: {left_out[0].reason}" if left_out else "there is none"
        raise SourceError(f"none of {len(left_out)} tiles shows tissue ({first})", hint="name tiles that do with --in")
    return tuple(shown), tuple(left_out)


def _judged(found: Tile | Failure) -> Tile | Failure:
    if isinstance(found, Failure) or not (reason := why_left_out(found)):
        return found
    return Failure(found.key, reason)


def why_left_out(tile: Tile) -> str:
    """Why a tile has nothing to look at, in a sentence; empty if it has."""
    if float(tile.image_hwc.std(axis=(0, 1)).max()) < _LEAST_DEVIATION:
        return "the tile is of one colour"
    if (tissue := float(tissue_mask(tile.image_hwc).mean())) < LEAST_TISSUE:
        return f"{tissue:.1%} of the tile is tissue, {LEAST_TISSUE:.0%} is needed"
    return ""


def _on(engine: Engine) -> Translate:
    def run(images: Sequence[FloatImage]) -> list[FloatImage]:
        out = run_on_host(engine, np.stack(images))
        if not np.isfinite(out).all():
            raise EngineError("a generator's output is not finite", hint="the weights are damaged, or diverged")
        return list(out)

    return run
