"""How a generator goes with that of the other direction: are they exchanged, was the architecture guessed right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from augengine.compiling.tiles import Tiles
from augengine.errors import CheckpointError, SourceError
from augengine.generator import run_generator
from augengine.importing.behaviour import fit_sides
from augengine.importing.export import Tile, Translate, open_onnx
from augengine.importing.foreign_generator import ForeignGenerator, changed, rebuilt
from augengine.importing.foreign_onnx import Graph
from augengine.importing.request import CLEARLY, CycleErrors
from augengine.sources import SampleSet, Source, open_source
from augengine.stains import Stain
from augengine.weights.cards import Direction

_COUNT, _SIDE = 3, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTiles:
    """Tile to try generators on; float32 (N, 3, 128, 128) in [-1, 1].

    Attributes:
        stain: Tiles of the stain.
        reference: Tiles of its reference stain, drawn from the sample set. They are not real tissue, so they are
            left out of the cycle error where the tiles of the stain are real.
        surrogate: Whether the tiles of the stain are recoloured too.
    """

    stain: Tile
    reference: Tile
    surrogate: bool

    def of_input(self, direction: Direction) -> Tile:
        """One image that a generator of this direction takes."""
        return (self.stain if direction == "to-reference" else self.reference)[:1]

    def fitted(self, multiple: int) -> SampleTiles:
        """The same with sides that are multiples of a number of pixels."""
        return replace(self, stain=fit_sides(self.stain, multiple), reference=fit_sides(self.reference, multiple))


def sample_tiles(stain: Stain, reference: Stain, source: str | None) -> SampleTiles:
    """Tiles of both stains.

    Raises:
        SourceError: The source has none that can be read.
    """
    own: Source = SampleSet() if source is None else open_source(source, stain=stain.name)
    return SampleTiles(stain=_take(own, stain), reference=_take(SampleSet(), reference), surrogate=source is None)


def _take(source: Source, stain: Stain) -> Tile:
    taken = Tiles(source=source, listing=source.scan(), stain=stain).take(_COUNT, _SIDE, _SIDE)
    if taken is None:
        raise SourceError("no tile could be read to try the generators on", hint="name other ones with --tiles")
    return taken


def cycle_errors(incoming: Translate, other: Translate, direction: Direction, tiles: SampleTiles) -> CycleErrors:
    """The cycle errors of both, as stated and with the two exchanged."""
    to_reference, from_reference = (incoming, other) if direction == "to-reference" else (other, incoming)
    return CycleErrors(
        stated=_error(to_reference, from_reference, tiles),
        exchanged=_error(from_reference, to_reference, tiles),
        surrogate=tiles.surrogate,
    )


def _error(to_reference: Translate, from_reference: Translate, tiles: SampleTiles) -> float:
    cycles = [(tiles.stain, from_reference(to_reference(tiles.stain)))]
    if tiles.surrogate:
        cycles.append((tiles.reference, to_reference(from_reference(tiles.reference))))
    return float(np.mean([np.abs(x - y).mean() for x, y in cycles]))


def better_reading(
    incoming: ForeignGenerator, other: Graph, direction: Direction, tiles: SampleTiles, errors: CycleErrors
) -> str:
    """A sentence if another reading of the tensors cycles clearly better, else nothing."""
    tried = [
        (cycle_errors(first, second, direction, tiles).stated, said)
        for first, second, said in _readings(incoming, other)
    ]
    best, said = min(tried, default=(errors.stated, ""))
    if best > CLEARLY * errors.stated:
        return ""
    return f"with {said} the cycle error would be {best:.3g} in place of {errors.stated:.3g}"


def _readings(incoming: ForeignGenerator, other: Graph) -> Iterator[tuple[Translate, Translate, str]]:
    """Other readings of the incoming generator, alone and with the same change to the other direction's."""
    as_is, theirs = open_onnx(other), rebuilt(other)
    if incoming.generator is None:
        return
    for alternative in incoming.alternatives:
        mine = partial(run_generator, changed(incoming.generator, alternative.changes))
        yield mine, as_is, alternative.option
        if theirs is not None:
            try:
                also = changed(theirs, alternative.changes)
            except CheckpointError:
                continue
            yield mine, partial(run_generator, also), f"{alternative.option} for both directions"
