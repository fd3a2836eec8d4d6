"""One cell: train a segmenter of an arm, choose its best model, and measure it patient by patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from augengine.draws.philox import derive_key
from augengine.pictures.arrays import RgbImage
from augengine.pictures.chromogen import scale_chromogen
from augengine.pictures.markers import MarkerRule
from augengine.pictures.shuffle import MarkedPicture
from augengine.sample import SOURCE_VARIANT
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.compare.arms import shown_tiles
from augengine_train.experiments.compare.folds import Folds, cohort_of
from augengine_train.experiments.compare.plan import AMOUNTS, Arm, Comparing
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
        tests = cohort_of(shown_tiles(wanted, "baseline"), self.folds, cell["fold"]).test
        learning = replace(cohort, test=())  # a fold may be tested that shows little; nothing is chosen by it
        folder = wanted.out / "runs" / "-".join(str(value) for value in cell.values())
        with trained(wanted.training, learning, folder, arm=cell["arm"], seed=seed_of(wanted, cell)) as view:
            found = {patient: self._measure(view, patient, tests, cell["arm"]) for patient in self.folds[cell["fold"]]}
        return {"patients": found}

    def _measure(self, view: View, patient: str, tiles: tuple[Tile, ...], arm: Arm) -> Mapping[str, Any]:
        """Amount of chromogen -> what is found of a patient."""
        reader, rule, found = PlaceReader(), self.wanted.rule(), dict.fromkeys(AMOUNTS, Measures())
        for tile in tiles:
            if tile.patient == patient:
                for amount, picture in dosed(reader.image(tile.images[SOURCE_VARIANT]), rule, arm):
                    found[amount] += compare(view.look(picture), view.truth(tile))
        return {f"{amount:g}": measures.to_json() for amount, measures in found.items()}


def dosed(rgb_hwc: RgbImage, rule: MarkerRule, arm: Arm) -> Iterator[tuple[float, RgbImage]]:
    """A tile with each amount of chromogen in its markers, as an arm's segmenter sees it.

    Args:
        rgb_hwc: The tile as it is, uint8 (H, W, 3).
        rule: What counts as a marker.
        arm: ``haematoxylin`` sees no chromogen at all, and still what lies under markers that were taken out.
    """
    marked = MarkedPicture(rgb_hwc, rule)
    for amount in AMOUNTS:
        picture = marked.scaled(amount)
        yield amount, scale_chromogen(picture, rule.stain, 0.0) if arm == "haematoxylin" else picture


def seed_of(wanted: Comparing, cell: Cell) -> int:
    """Equal for all arms of a fold's repeat: they differ by what they are shown alone."""
    return derive_key(wanted.seed, f"trainings of fold {cell['fold']}, repeat {cell['repeat']}") >> 2
