"""The experiment as a value: its units, its arms, its tissue and its sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from augengine.errors import SpecError
from augengine_train.experiments.arm_shards import SHOWN, Shown
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.one_training import TrainingPlan
from augengine_train.phantom.spec import PhantomStain
from augengine_train.unet.recipe import UnetRecipe, small

Oracle = Literal["oracle-same", "oracle-even"]
"""Markers moved perfectly, by drawing them anew: with the same crowding, or evenly."""

Arm = Literal["baseline"] | Shown | Oracle
ORACLES: tuple[Oracle, ...] = ("oracle-same", "oracle-even")
ARMS: tuple[Arm, ...] = ("baseline", *SHOWN, *ORACLES)
STEPS = 800


def scaled_recipe() -> UnetRecipe:
    """The segmenter for two CPU cores: 12 filters, tiles shrunk by 8, crops of 64 px."""
    return replace(small(), name="reliance", width=12, shrink=8, crop=64, stain_jitter=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides every number of the experiment, besides the generators and the drawing.

    Attributes:
        stain: What is drawn.
        units, first_unit: How many repeats with patients, tissue and seeds of their own, and the number of the first.
        arms: What is compared.
        recipe, steps: How each segmenter is trained.
        eps: Upper bound of the noise of the arm ``paper``.
        variants: Variants per training tile and arm.
        correlation: Markers a mm2 in glomeruli over those outside, in the training and validation patients.
        infiltrates: Infiltrates a mm2 in the test patients of the bait; they are as crowded as those glomeruli.
        train_patients, validation_patients, test_patients: Patients of each unit.
        tiles: Tiles per patient.
        side: Side of a tile in pixels.
        mpp: Resolution of the tiles, in um per pixel.
        seed: Root of every draw.
    """

    stain: PhantomStain = "cd68"
    units: int = 12
    first_unit: int = 0
    arms: tuple[Arm, ...] = ARMS
    recipe: UnetRecipe
    steps: int = STEPS
    eps: float = 0.05
    variants: int = 4
    correlation: float = 2.25
    infiltrates: float = 4.0
    train_patients: int = 10
    validation_patients: int = 3
    test_patients: int = 6
    tiles: int = 6
    side: int = 512
    mpp: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.units < 2:
            raise SpecError(f"a paired test needs at least 2 units, got {self.units}")
        if not {"paper", "reconstruction", "shuffle"} <= set(self.arms):
            raise SpecError(f"the arms hold paper, reconstruction and shuffle, got {', '.join(self.arms)}")
        for name in ("steps", "variants", "tiles", "train_patients", "validation_patients", "test_patients"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def numbers(self) -> range:
        """The units' numbers."""
        return range(self.first_unit, self.first_unit + self.units)

    @property
    def training(self) -> TrainingPlan:
        """How each segmenter is trained."""
        return TrainingPlan(recipe=self.recipe, steps=self.steps)

    def cells(self) -> Iterator[Cell]:
        """Every training, unit by unit, so that a run that was stopped has whole units."""
        for unit in self.numbers:
            for arm in self.arms:
                yield {"unit": unit, "arm": arm}
