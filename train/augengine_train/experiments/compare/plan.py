"""A comparison as a value: its arms, its folds, its sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from augengine.errors import SpecError
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.sample import SOURCE_VARIANT
from augengine.stains import Stain
from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.arm_shards import OF_GENERATORS, SHOWN, Shown
from augengine_train.experiments.cells import Cell
from augengine_train.experiments.one_training import TrainingPlan
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.recipe import UnetRecipe

Arm = Literal["baseline"] | Shown
ARMS: tuple[Arm, ...] = ("baseline", *SHOWN)

MIN_FOLDS = 3
"""One fold is tested, one validates, and at least one is learnt from."""

_LOOKED_AT = 32

AMOUNTS = (1.0, 0.0, 0.5, 1.5)
"""Times the chromogen of the markers that each segmenter is tested under; 1 is the tiles as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """What is compared, on what.

    Attributes:
        tiles: All tiles, of at least three patients, each with its patient's name.
        stain: Their stain, with its vectors.
        stain_option: The stain's name or file, as the user gave it.
        out: Folder of shards, trainings and results.
        recipe: How each segmenter is trained; without stain jitter of its own, which is an arm.
        arms: What is compared; the baseline is among them.
        eps: Upper bound of the noise of the arm ``paper``.
        folds: Groups of patients; each is tested once.
        repeats: Trainings per fold and arm, each with another seed.
        variants: Variants written per tile, each as likely to be shown.
        steps: Steps of each training.
        seed: Root of the folds, the variants and the trainings.
        classes: Ids of the foreground.
        weights: Folder of generators, searched alone.
        mpp: um/px of tiles whose json says none.
        marker_threshold: Chromogen concentration from which on a pixel is marker, for the arm ``shuffle`` and for
            reliance; None derives it from the tiles.
        precision: Precision of every training on every machine, so that a comparison may go on elsewhere.
    """

    tiles: Tiles
    stain: Stain
    stain_option: str
    out: Path
    recipe: UnetRecipe
    arms: tuple[Arm, ...] = ARMS
    eps: float | None = None
    folds: int = 5
    repeats: int = 1
    variants: int = 4
    steps: int = 400
    seed: int = 0
    classes: tuple[int, ...] = (1,)
    weights: Path | None = None
    mpp: float | None = None
    marker_threshold: float | None = None
    precision: PrecisionOption = "float32"

    def __post_init__(self) -> None:
        if "baseline" not in self.arms or len(set(self.arms)) < max(2, len(self.arms)):
            raise SpecError(
                f"the baseline is compared with other arms, each named once; got {', '.join(self.arms)}",
                hint=f"--arm baseline --arm shuffle; there are {', '.join(ARMS)}",
            )
        if self.folds < MIN_FOLDS:
            raise SpecError(f"at least {MIN_FOLDS} folds are needed, got {self.folds}", hint="leave out --folds")
        for name in ("repeats", "variants", "steps"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not set(self.arms) & set(OF_GENERATORS) and (self.eps is not None or self.weights is not None):
            hint = "leave them out, or add --arm paper"
            raise SpecError("none of the arms has a use for --eps or --weights", hint=hint)
        if self.recipe.stain_jitter:
            raise SpecError("stain jitter is an arm of the comparison, so the recipe is without it")

    @property
    def training(self) -> TrainingPlan:
        """How each segmenter is trained."""
        return TrainingPlan(recipe=self.recipe, steps=self.steps, classes=self.classes, precision=self.precision)

    def rule(self) -> MarkerRule:
        """What counts as a marker: by the threshold that was given, or by Otsu's method on up to 32 of the tiles.

        Raises:
            SourceError: A tile cannot be read.
        """
        if self.marker_threshold is not None:
            return MarkerRule(stain=self.stain, threshold=self.marker_threshold)
        reader, step = PlaceReader(), -(-len(self.tiles) // _LOOKED_AT)
        images = [reader.image(tile.images[SOURCE_VARIANT]) for tile in self.tiles[::step]]
        return MarkerRule(stain=self.stain, threshold=derive_threshold(images, self.stain))

    def cells(self) -> Iterator[Cell]:
        """Every training, fold by fold, so that a run that was stopped has whole folds."""
        for repeat in range(self.repeats):
            for fold in range(self.folds):
                for arm in self.arms:
                    yield {"repeat": repeat, "fold": fold, "arm": arm}
