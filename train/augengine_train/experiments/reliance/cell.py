"""One cell: train a segmenter of an arm, and measure it on the four drawings of the test tissue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.draws.philox import derive_key
from augengine.pictures.chromogen import scale_chromogen
from augengine.sample import SOURCE_VARIANT
from augengine.stains import find_stain
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.one_training import trained
from augengine_train.experiments.reliance.arms import cohort_of
from augengine_train.experiments.reliance.plan import Plan
from augengine_train.experiments.reliance.tissue import TESTS, folder_of
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.foreground import Foreground
from augengine_train.unet.measures import Measures, compare
from augengine_train.unet.predict import View
from augengine_train.unet.tiles import find_tiles


@dataclass(frozen=True, slots=True)
class CellRunner:
    """Runs cells; it can be sent to another process.

    Attributes:
        plan: The experiment.
        out: Its folder.
    """

    plan: Plan
    out: Path

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Train and measure: what is found in each drawing, and how alike it is in two draws of the markers."""
        unit, arm = cell["unit"], cell["arm"]
        tests = {test: find_tiles([str(folder_of(self.out, unit, test))]) for test in TESTS}
        folder = self.out / "runs" / f"{unit}-{arm}"
        with trained(
            self.plan.training, cohort_of(self.out, unit, arm), folder, arm=arm, seed=seed_of(self.plan, cell)
        ) as view:
            view.check(tests["even"])
            found = {test: self._find(view, tiles, bare=arm == "haematoxylin") for test, tiles in tests.items()}
            truth = [view.truth(tile) for tile in tests["even"]]
        measured: dict[str, Any] = {test: _sum(found[test], truth).to_json() for test in TESTS}
        return {**measured, "agreement": _sum(found["moved"], found["even"]).pixels.to_json()}

    def _find(self, view: View, tiles: Tiles, *, bare: bool) -> list[Foreground]:
        reader, stain = PlaceReader(), find_stain(self.plan.stain)
        pictures = (reader.image(tile.images[SOURCE_VARIANT]) for tile in tiles)
        return [view.look(scale_chromogen(picture, stain, 0.0) if bare else picture) for picture in pictures]


def _sum(found: list[Foreground], truth: list[Foreground]) -> Measures:
    return sum((compare(one, other) for one, other in zip(found, truth, strict=True)), start=Measures())


def seed_of(plan: Plan, cell: Cell) -> int:
    """Equal for all arms of a unit: they differ by what they are shown alone."""
    return derive_key(plan.seed, f"trainings of {plan.stain}, unit {cell['unit']}") >> 2
