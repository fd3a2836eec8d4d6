"""The experiment's tissue on disk: which source shards there must be, who draws them, and what the arms make of them.

::

    {data}/cd68/repeat-0/test/                 the same in both worlds: markers know nothing of glomeruli
    {data}/cd68/repeat-0/shift/train/          markers gather in glomeruli
    {data}/cd68/repeat-0/shift/validation/     likewise: who trains on such patients validates on such
    {data}/cd68/repeat-0/same/...              nowhere
    {out}/arms/cd68/repeat-0/shift/paper/      variants, written once and read by every training
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augengine.errors import SourceError
from augengine.progress import Watcher
from augengine.stains import find_stain
from augengine.tiling.patients import Split
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.arm_shards import ArmShards
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.table1.plan import Plan, World
from augengine_train.unet.cohort import Cohort, Tiles
from augengine_train.unet.foreground import ForegroundMasks, check_masks
from augengine_train.unet.predict import shown_part
from augengine_train.unet.tiles import find_tiles

_FIRST_PATIENT = 1000
"""`make phantom-weights` trains and measures its generators on patients below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """One folder of source shards that the experiment needs.

    Attributes:
        stain: Stain of the tissue.
        repeat: Number of the repeat; every repeat has tissue and patients of its own.
        split: What it is for.
        world: None for test tissue, which both worlds share.
        patients, first_patient: How many patients, and the number of the first; no two splits of a repeat share one.
        tiles: Tiles per patient.
        side: Side of a tile in pixels.
        mpp: Resolution of the tiles, in um per pixel.
        correlation: Markers a mm2 within glomeruli over those outside; 1 is none.
        seed: Equal in both worlds: the same anatomy, other markers.
    """

    stain: str
    repeat: int
    split: Split
    world: World | None
    patients: int
    first_patient: int
    tiles: int
    side: int
    mpp: float
    correlation: float
    seed: int

    def folder(self, data: Path) -> Path:
        """Where its shards are."""
        place = data / self.stain / f"repeat-{self.repeat}"
        return place / self.split if self.world is None else place / self.world / self.split


Drawer = Callable[[Tissue, Path], None]
"""Draws tissue as source shards into a folder; what is there already it keeps."""


def tissues(plan: Plan) -> Iterator[Tissue]:
    """All that the experiment needs."""
    for repeat in range(plan.repeats):
        for stain in plan.stains:
            yield _tissue(plan, stain, repeat, "test", None)
            for world in plan.worlds:
                yield _tissue(plan, stain, repeat, "train", world)
                yield _tissue(plan, stain, repeat, "validation", world)


def _tissue(plan: Plan, stain: str, repeat: int, split: Split, world: World | None) -> Tissue:
    counts = {"train": plan.train_patients, "validation": plan.validation_patients, "test": plan.test_patients}
    # A unit of the analysis is a stain's repeat: no two units share a patient, with each other or with the generators.
    before = _FIRST_PATIENT + (repeat * len(plan.stains) + plan.stains.index(stain)) * sum(counts.values())
    starts = {"train": 0, "validation": counts["train"], "test": counts["train"] + counts["validation"]}
    return Tissue(
        stain=stain,
        repeat=repeat,
        split=split,
        world=world,
        patients=counts[split],
        first_patient=before + starts[split],
        tiles=plan.tiles,
        side=plan.side,
        mpp=plan.mpp,
        correlation=plan.correlation if world == "shift" else 1.0,
        seed=plan.seed,
    )


def prepare(plan: Plan, data: Path, draw: Drawer | None, note: Callable[[str], None]) -> None:
    """Draw what is missing; without a drawer only see that all is there.

    Raises:
        SourceError: A folder has no shards, shards with other counts than the plan, or no glomerulus.
    """
    for tissue in tissues(plan):
        folder = tissue.folder(data)
        if draw is not None:
            note(f"tissue {folder}")
            draw(tissue, folder)
        if not any(folder.glob("*.tar")):
            raise SourceError(
                f"there are no source shards in {folder}", hint="--list says what each folder should hold"
            )
        tiles = find_tiles([str(folder)])
        _check(tissue, tiles, folder)
        _check_glomeruli(plan, tissue, tiles, folder)


def _check_glomeruli(plan: Plan, tissue: Tissue, tiles: Tiles, folder: Path) -> None:
    """Refuse tissue without glomeruli before the first training, not at the cell whose few patients show none."""
    masks = ForegroundMasks((1,), PlaceReader())
    try:
        if tissue.split == "train":
            check_masks(_patients_of(plan, min(plan.fractions), tiles), masks)
        else:
            check_masks(tiles, masks, tissue.split, lambda mask: shown_part(mask, plan.recipe))
    except SourceError as error:
        hint = "draw other tissue: another --seed, or a plan with more tiles or patients"
        raise SourceError(f"{folder}: {error.message}", hint=hint) from error


def _patients_of(plan: Plan, percent: int, tiles: Tiles) -> Tiles:
    kept = sorted({tile.patient for tile in tiles})[: plan.patients_of(percent)]
    return tuple(tile for tile in tiles if tile.patient in kept)


def _check(tissue: Tissue, tiles: Tiles, folder: Path) -> None:
    patients = len({tile.patient for tile in tiles} - {""})
    wanted, found = (tissue.patients, tissue.patients * tissue.tiles), (patients, len(tiles))
    if wanted != found:
        raise SourceError(
            f"{folder} holds {found[1]} tiles of {found[0]} patients, the plan wants {wanted[1]} of {wanted[0]}",
            hint="draw it anew, or change the plan",
        )


def find_cohort(plan: Plan, cell: Cell, data: Path, out: Path) -> Cohort:
    """A cell's tiles: the first patients of the training tissue with their arm's variants, and the whole of the others.

    Raises:
        SourceError: Shards are missing.
    """
    training = train_folder(cell, data)
    return Cohort(
        train=_patients_of(plan, cell["percent"], find_training_tiles(cell, data, out)),
        validation=find_tiles([str(training.with_name("validation"))]),
        test=find_tiles([str(training.parent.with_name("test"))]),
    )


def find_training_tiles(cell: Cell, data: Path, out: Path) -> Tiles:
    """The whole training tissue of a cell's world, stain and repeat with the variants of its arm.

    Raises:
        SourceError: Shards are missing.
    """
    shards = [train_folder(cell, data)]
    if cell["arm"] != "baseline":
        shards.append(arm_folder(cell, out))
    return find_tiles([str(each) for each in shards])


def train_folder(cell: Cell, data: Path) -> Path:
    """Where the training tissue of a cell's world, stain and repeat is."""
    return data / str(cell["stain"]) / f"repeat-{cell['repeat']}" / str(cell["world"]) / "train"


def arm_folder(cell: Cell, out: Path) -> Path:
    """Where an arm's variants of a world's training tissue are."""
    return out / "arms" / str(cell["stain"]) / f"repeat-{cell['repeat']}" / str(cell["world"]) / str(cell["arm"])


def write_arms(plan: Plan, data: Path, out: Path, weights: Path, watcher: Watcher) -> None:
    """Write the variants of every arm that are not there yet.

    Raises:
        WeightsError, EngineError: No generators, or they cannot be run.
        WorkerError: Augmenting failed.
    """
    for cell in plan.cells():
        if cell["percent"] == plan.fractions[0] and cell["arm"] != "baseline":
            _arm_shards(plan, cell, data, weights).write(cell["arm"], arm_folder(cell, out), watcher)


def _arm_shards(plan: Plan, cell: Cell, data: Path, weights: Path) -> ArmShards:
    return ArmShards(
        source=train_folder(cell, data),
        stain=find_stain(cell["stain"]),
        stain_option=cell["stain"],
        eps=plan.eps,
        variants=plan.variants,
        seed=plan.seed,
        weights=weights,
        mpp=plan.mpp,
    )
