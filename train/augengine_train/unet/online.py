"""The engines of a training that augments while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from augengine.chain.base import Translators
from augengine.engines.backends import pick_backend
from augengine.engines.base import Engine, EngineSpec
from augengine.engines.store import own_store
from augengine.errors import SpecError
from augengine.machine import cpu_threads
from augengine.spec import round_side
from augengine.stains import Stain
from augengine.weights.cards import DIRECTIONS, Direction, WeightsPair, find_weights, mpp_fits
from augengine.weights.home import weight_roots
from augengine_train.unet.tiles import Tile


def find_pair(stain: Stain, roots: Sequence[Path]) -> WeightsPair:
    """The generators of a stain.

    Args:
        stain: What the tiles are stained with.
        roots: Folders of generators; the first that has the pair counts.

    Raises:
        SpecError: It is a reference stain.
        WeightsError: There are none.
    """
    if stain.reference is None:
        raise SpecError(f"{stain.name} is a reference stain", hint="name the stain of the tiles, as cd68")
    return find_weights(stain.reference, stain.name, roots)


def digest_pair(stain: Stain, weights: Path | None) -> Mapping[Direction, str]:
    """The digests of a stain's generators, which decide what is made with them; errors as in `find_pair`.

    Args:
        stain: What the tiles are stained with.
        weights: Folder of generators, searched alone.
    """
    return find_pair(stain, weight_roots(weights)).digests


def open_translators(
    stain: Stain,
    tiles: Sequence[Tile],
    weights: Path | None,
    *,
    on_note: Callable[[str], None] = lambda _: None,
    on_warn: Callable[[str], None] = lambda _: None,
) -> Translators:
    """Both engines of a stain in float32, as large as the largest tile; missing ones are compiled.

    Args:
        stain: What the tiles are stained with.
        tiles: The whole source, as `augengine augment` would be given it: smaller tiles are padded to the largest,
            and what a generator makes of them depends on the padding.
        weights: Folder of generators, searched alone.
        on_note: Told what takes a while.
        on_warn: Told of tiles whose um/px nobody says.

    Raises:
        SpecError: The stain is a reference stain, or the tiles' um/px does not suit the generators.
        WeightsError, EngineError: No generators, or they cannot be compiled.
    """
    pair = find_pair(stain, weight_roots(weights))
    _check_mpp(tiles, pair.mpp, on_warn)
    largest = (max(sides) for sides in zip(*((tile.height, tile.width) for tile in tiles), strict=True))
    height, width = (round_side(side, pair.multiple) for side in largest)
    backend, store = pick_backend(), own_store()
    spec = EngineSpec(precision="float32", height=height, width=width, batch=backend.static_batch(height, width))
    engines: list[Engine] = []
    for direction in DIRECTIONS:
        on_note(f"engine {pair.reference}-{pair.stain} {direction}, {width} x {height} px")
        stored = store.get_or_build(pair.path(direction), backend, spec)
        engines.append(store.load(stored.id, threads=cpu_threads()))
    return Translators(to_reference=engines[0], from_reference=engines[1])


def _check_mpp(tiles: Sequence[Tile], own: float, on_warn: Callable[[str], None]) -> None:
    if unknown := sum(1 for tile in tiles if tile.mpp is None):
        on_warn(
            f"the um/px of {unknown} of {len(tiles)} tiles are unknown, the generators need about {own:g}; "
            "write them into the tiles' json"
        )
    off = [tile for tile in tiles if tile.mpp is not None and not mpp_fits(tile.mpp, own)]
    if off:
        raise SpecError(
            f"{off[0].key} has {off[0].mpp:g} um/px, the generators were trained at {own:g}",
            hint="resample the source (`augengine tile --mpp`), or train generators at that scale",
        )
