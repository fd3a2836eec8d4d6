"""The experiment as a value: its cells, its data and its sizes, scaled for two CPU cores or full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from augengine.errors import SpecError
from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.experiments.cells import Cell
from augengine_train.unet.arms import Control
from augengine_train.unet.recipe import UnetRecipe, icube, small

World = Literal["shift", "same"]
"""``shift``: markers gather in the glomeruli of the patients trained and validated on, and not in those tested on.
``same``: nowhere."""

Arm = Literal["baseline", "paper"] | Control

ARMS: tuple[Arm, ...] = ("baseline", "reconstruction", "input-noise", "paper", "stain-jitter")
WORLDS: tuple[World, ...] = get_args(World)
FRACTIONS = (10, 30, 60, 100)

BESIDES = ("generators", "drawing")
"""What an experiment's `plan.json` holds besides its plan: digests by stain, and the version of the phantom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides every number of the experiment, besides the generators.

    Attributes:
        worlds, stains, fractions, arms: The axes; fractions are percents of the training patients.
        repeats: How often everything is repeated, with new tissue each time.
        recipe: The recipe of every segmenter, without stain jitter of its own.
        steps: Steps of every training, whatever its fraction.
        precision: Precision of every training on every machine, so that an experiment may go on elsewhere.
        eps: Upper bound of the noise's standard deviation; 0.05 is the paper's.
        variants: Variants written per tile and arm.
        correlation: Markers a mm2 in glomeruli over those outside, where they mislead.
        train_patients, validation_patients, test_patients: Patients of each repeat and stain.
        tiles: Tiles per patient.
        side: Side of a tile in pixels.
        mpp: Resolution of the tiles, in um per pixel.
        seed: Root of every draw.
    """

    worlds: tuple[World, ...] = WORLDS
    stains: tuple[str, ...] = ("cd68", "cd34")
    fractions: tuple[int, ...] = FRACTIONS
    arms: tuple[Arm, ...] = ARMS
    repeats: int
    recipe: UnetRecipe
    steps: int
    precision: PrecisionOption = "float32"
    eps: float = 0.05
    variants: int
    correlation: float = 4.0
    train_patients: int = 10
    validation_patients: int = 3
    test_patients: int = 6
    tiles: int
    side: int
    mpp: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise SpecError(f"a paired test needs at least 2 repeats, got {self.repeats}")
        if not all(0 < percent <= 100 for percent in self.fractions):
            raise SpecError(f"fractions are percents in (0, 100], got {self.fractions}")
        if "baseline" not in self.arms or "paper" not in self.arms:
            raise SpecError(f"the arms hold baseline and paper, got {self.arms}")
        if self.recipe.stain_jitter:
            raise SpecError("stain jitter is an arm of the experiment; the recipe is without it")
        for name in ("steps", "variants", "tiles", "train_patients", "validation_patients", "test_patients"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")

    def cells(self) -> Iterator[Cell]:
        """Every training, repeat by repeat, so that a run that was stopped has whole repeats."""
        for repeat in range(self.repeats):
            for stain in self.stains:
                for world in self.worlds:
                    for percent in self.fractions:
                        for arm in self.arms:
                            yield {"world": world, "stain": stain, "percent": percent, "arm": arm, "repeat": repeat}

    def patients_of(self, percent: int) -> int:
        """How many of the training patients a fraction is; at least one. Smaller fractions are within larger ones."""
        return max(1, round(self.train_patients * percent / 100))


def scaled(**changes: Any) -> Plan:
    """The plan for two CPU cores and 90 minutes."""
    recipe = replace(small(), name="table1", width=8, shrink=4, crop=64, stain_jitter=False)
    own: dict[str, Any] = {"repeats": 3, "recipe": recipe, "steps": 400, "variants": 4}
    return Plan(**{**own, "tiles": 4, "side": 256, "mpp": 1.0, **changes})


def full(**changes: Any) -> Plan:
    """The plan for a GPU: the laboratory's U-Net on 508 px at 0.5 um/px, and ten repeats."""
    recipe = replace(icube(), name="table1-full", stain_jitter=False)
    own: dict[str, Any] = {"repeats": 10, "recipe": recipe, "steps": 12_500, "variants": 16}
    return Plan(**{**own, "tiles": 40, "side": 508, "mpp": 0.5, **changes})
