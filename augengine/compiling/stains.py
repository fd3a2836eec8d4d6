"""Every stain's engines in one call."""

from __future__ import annotations

from pathlib import Path

from augengine.compiling.budgets import build_pairs
from augengine.compiling.pairs import BuiltPair, OnNote
from augengine.compiling.tiles import Tiles
from augengine.engines.backends import pick_backend
from augengine.engines.store import own_store
from augengine.errors import SpecError, WeightsError
from augengine.sources import SampleSet, open_source
from augengine.spec import BackendName, round_side
from augengine.stains import Stain, find_stain
from augengine.weights.cards import WeightsPair, find_weights, list_weights
from augengine.weights.home import SAMPLE_WEIGHTS, home, weight_roots

DEFAULT_SIZE = 256
"""Side that `build-engines` compiles for, in pixels: the size of the sample set's tiles."""


def build_stains(
    stain: str | None,
    *,
    weights: Path | None,
    tiles: str | None,
    backend: BackendName,
    size: int,
    on_note: OnNote = lambda _: None,
) -> list[BuiltPair]:
    """Build and measure the engines of one stain, or of every stain that has weights and of the sample set.

    Args:
        stain: Its name; None for all.
        weights: Folder that is searched alone; None for the usual ones.
        tiles: A source of real tiles; None for the sample set.
        backend: Which compiles.
        size: Side of the images, pixels; rounded up to what the generators take.
        on_note: Told what takes a while.

    Raises:
        AugengineError: No weights, no backend, or a compiler that refuses.
    """
    if tiles is not None and stain is None:
        hint = "name theirs with --stain: on another stain's tiles the numbers would be wrong"
        raise SpecError("the tiles are of one stain, and every stain would be measured on them", hint=hint)
    roots, picked = weight_roots(weights), pick_backend(backend, on_note)
    store = own_store()
    built = []
    for pair, its_stain in _pairs(stain, roots):
        source = open_source(tiles, stain=its_stain.name) if tiles else SampleSet()
        side = round_side(size, pair.multiple)
        made = build_pairs(
            pair,
            picked,
            store,
            height=side,
            width=side,
            tiles=Tiles(source=source, listing=source.scan(), stain=its_stain, known=pair.of_sample_set),
            eps=its_stain.usual_eps,
            measure_again=True,
            on_note=on_note,
        )
        built.extend(made)
    return built


def _pairs(stain: str | None, roots: tuple[Path, ...]) -> list[tuple[WeightsPair, Stain]]:
    stains = home() / "stains"
    if stain is None:
        found = list_weights(roots)
        if not found:
            where = ", ".join(str(root) for root in roots)
            raise WeightsError(
                f"no stain has weights in {where}", hint="import or train a pair, or leave out --weights"
            )
        pairs = (*found, *list_weights([SAMPLE_WEIGHTS]))
        return [(pair, find_stain(pair.stain, stains)) for pair in pairs]
    known = find_stain(stain, stains)
    if known.reference is None:
        raise SpecError(f"{known.name} is a reference stain", hint="name a stain that is translated to it, as cd68")
    return [(find_weights(known.reference, known.name, roots), known)]
