"""One cell: train a segmenter of an arm, choose its best model, and measure it patient by patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augengine.draws.philox import derive_key
from augengine.pictures.arrays import RgbImage
from augengine.pictures.shuffle import MarkedPicture
from augengine.sample import SOURCE_VARIANT
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.compare.arms import shown_tiles
from augengine_train.experiments.compare.folds import Folds, cohort_of
from augengine_train.experiments.compare.plan import AMOUNTS, Comparing
from augengine_train.experiments.one_training import trained
from augengine_train.unet import Measures, Tile
from augengine_train.unet.measures import compare
from augengine_train.unet.predict import View


@dataclass(frozen=True, slots=True)
class CellRunner:
    """Runs cells; it can be sent to another process.

    Attributes:
        wanted: The comparison.
        folds: Its patients.
    """

    wanted: Comparing
    folds: Folds

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Train and measure; the training's folder is removed when its numbers are known."""
        wanted = self.wanted
        cohort = cohort_of(shown_tiles(wanted, cell["arm"]), self.folds, cell["fold"])
        folder = wanted.out / "runs" / "-".join(str(value) for value in cell.values())
        with trained(wanted.training, cohort, folder, arm=cell["arm"], seed=seed_of(wanted, cell)) as view:
            found = {patient: self._measure(view, patient, cohort.test) for patient in self.folds[cell["fold"]]}
        return {"patients": found}

    def _measure(self, view: View, patient: str, tiles: tuple[Tile, ...]) -> Mapping[str, Any]:
        """Amount of chromogen -> what is found of a patient."""
        own = [tile for tile in tiles if tile.patient == patient]
        found = dict.fromkeys(AMOUNTS, Measures())
        for tile in own:
            for amount, picture in self._dosed(tile):
                found[amount] += compare(view.look(picture), view.truth(tile))
        return {f"{amount:g}": measures.to_json() for amount, measures in found.items()}

    def _dosed(self, tile: Tile) -> Iterator[tuple[float, RgbImage]]:
        """A tile as it is, and with other amounts of chromogen in its markers."""
        picture = PlaceReader().image(tile.images[SOURCE_VARIANT])
        marked = MarkedPicture(picture, self.wanted.rule())
        for amount in AMOUNTS:
            yield amount, picture if amount == 1 else marked.scaled(amount)


def seed_of(wanted: Comparing, cell: Cell) -> int:
    """Equal for all arms of a fold's repeat: they differ by what they are shown alone."""
    return derive_key(wanted.seed, f"trainings of fold {cell['fold']}, repeat {cell['repeat']}") >> 2
