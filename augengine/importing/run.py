"""One import, from the file to the stored pair."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from augengine.engines.onnx_types import read_model, to_bytes
from augengine.errors import CheckpointError, SpecError, WeightsError
from augengine.importing.cycle import SampleTiles, better_reading, cycle_errors, sample_tiles
from augengine.importing.export import Provenance, open_onnx, write_generator
from augengine.importing.foreign_generator import ForeignGenerator, read_foreign_generator
from augengine.importing.request import CycleErrors, Imported, ImportRequest
from augengine.stains import Stain, find_stain
from augengine.weights.cards import DIRECTIONS, Card, Direction, Parity, digest_weights, read_card
from augengine.weights.home import home, open_home

DEFAULT_MPP = 0.5
_UNSTATED = "imported; not stated"
_LIMITS = "imported: what it is good for was not stated; look at its output before trusting it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a generator goes: the root of the weights, the pair, the direction."""

    root: Path
    stain: Stain
    reference: Stain
    direction: Direction

    def file(self, direction: Direction) -> Path:
        return self.root / f"{self.reference.name}-{self.stain.name}" / f"{direction}.onnx"

    @property
    def target(self) -> Path:
        return self.file(self.direction)

    @property
    def other(self) -> Path | None:
        """The other direction's file, if it is there."""
        file = self.file(DIRECTIONS[1 - DIRECTIONS.index(self.direction)])
        return file if file.exists() else None


def run_import(request: ImportRequest, on_note: Callable[[str], None]) -> Imported:
    """Implement `augengine.importing.import_checkpoint`."""
    place = _place(request)
    if not request.checkpoint.exists():
        raise CheckpointError(f"there is no {request.checkpoint}", hint="name a checkpoint file")
    mpp, warnings = _mpp(request, place)
    tiles = sample_tiles(place.stain, place.reference, request.tiles)
    tile = tiles.of_input(place.direction)
    incoming = read_foreign_generator(request, tile, on_note)
    on_note(f"found {incoming.found}")
    if incoming.assumed:
        on_note(f"assumed, since no tensor shows it (--example checks it): {'; '.join(incoming.assumed)}")
    cycle, more = _check_pair(incoming, place, tiles, request)
    card = _write(incoming, place, request, mpp, parity=incoming.parity(tile))
    if request.weights is None:
        open_home()  # marks its format
    return Imported(
        file=place.target,
        card=card,
        found=incoming.found,
        assumed=incoming.assumed,
        warnings=(*incoming.warnings, *warnings, *more),
        cycle=cycle,
        fit=incoming.fit,
    )


def _place(request: ImportRequest) -> _Place:
    stains = home() / "stains"
    stain = find_stain(request.stain, stains)
    if stain.reference is None:
        raise SpecError(f"{stain.name} is a reference stain", hint="name a stain that is translated to it, as cd68")
    if request.reference not in (None, stain.reference):
        raise SpecError(
            f"the reference of {stain.name} is {stain.reference}, not {request.reference}",
            hint="leave out --reference, or write a stain of your own: a TOML file, see the README",
        )
    reference = find_stain(stain.reference, stains)
    root = home() / "weights" if request.weights is None else request.weights
    place = _Place(root=root, stain=stain, reference=reference, direction=request.direction)
    if place.target.exists() and not request.force:
        raise WeightsError(f"{place.target} is there already", hint="--force replaces it")
    return place


def _mpp(request: ImportRequest, place: _Place) -> tuple[float, list[str]]:
    """um/px for the card, and what to say of it; the two directions of a pair have the same."""
    theirs = None if place.other is None else read_card(place.other.with_suffix(".json")).mpp
    mpp = request.mpp or theirs or DEFAULT_MPP
    if theirs is not None and mpp != theirs:
        differs = f"the other direction has {theirs} um/px, this one {mpp}"
        if not request.force:
            raise WeightsError(
                differs, hint=f"--mpp {theirs}; or --force, and then the other one again with --mpp {mpp}"
            )
        return mpp, [f"{differs}: the pair cannot be used until the other one is imported again"]
    if request.mpp is None and theirs is None:
        return mpp, [f"um/px was not stated and is taken as {mpp}; say it with --mpp"]
    return mpp, []


def _check_pair(
    incoming: ForeignGenerator, place: _Place, tiles: SampleTiles, request: ImportRequest
) -> tuple[CycleErrors | None, list[str]]:
    """The cycle errors with the other direction, if it is there, and what they warn of.

    Raises:
        CheckpointError: The two look exchanged, or another reading goes better with the other, and nobody insisted.
    """
    if place.other is None:
        return None, []
    other = read_model(place.other)
    if to_bytes(other) == to_bytes(incoming.stored) and not request.force:
        raise CheckpointError(
            f"{request.checkpoint} is the generator that {place.other} holds already",
            hint="the two directions are two generators; --force stores it for both",
        )
    theirs = read_card(place.other.with_suffix(".json")).multiple
    tiles = tiles.fitted(math.lcm(incoming.multiple, theirs))
    errors = cycle_errors(incoming.translate, open_onnx(other), place.direction, tiles)
    exchanged = f"the two generators look exchanged: {errors.sentence()}"
    if errors.verdict == "exchanged":
        if request.force:
            return errors, [exchanged]
        raise CheckpointError(
            exchanged,
            hint="import each with the other --direction and --force; --force alone keeps the directions as stated",
        )
    warnings = []
    if errors.verdict == "unclear":
        look = "name real ones with --tiles" if errors.surrogate else "look at what they do"
        warnings.append(f"the tiles do not tell whether the two directions are exchanged; {look}")
    if better := better_reading(incoming, other, place.direction, tiles, errors):
        if not request.force:
            raise CheckpointError(
                f"the generator seems to be read wrongly: {better}",
                hint="import it again so, the other direction too if that is said; --force stores it as it was read",
            )
        warnings.append(better)
    return errors, warnings


def _write(incoming: ForeignGenerator, place: _Place, request: ImportRequest, mpp: float, parity: Parity) -> Card:
    """Write both files elsewhere and move them in, so that a failure leaves what was there, and no folder."""
    provenance = Provenance(
        stain=place.stain.name,
        reference=place.reference.name,
        direction=place.direction,
        mpp=mpp,
        training=request.training or _UNSTATED,
        limits=_LIMITS,
        checkpoint_digest=digest_weights(request.checkpoint),
        multiple=incoming.multiple,
    )
    try:
        with (
            _made(place.target.parent),
            tempfile.TemporaryDirectory(prefix=".import_", dir=place.root) as folder,
        ):
            card = write_generator(incoming.stored, incoming.recipe, parity, provenance, Path(folder))
            for ending in (".onnx", ".json"):
                target = place.target.with_suffix(ending)
                (Path(folder) / target.relative_to(place.root)).replace(target)
    except OSError as error:
        raise WeightsError(
            f"cannot write {place.target}: {error.strerror}", hint="choose a folder with room"
        ) from error
    return card


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and take it away again with all that was made above it if what follows fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise
