"""What a training is decided by besides its data and its seed: a frozen recipe, built in or from a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from augengine.errors import SpecError
from augengine.generator import Recipe
from augengine.spec import SIDE_MULTIPLE
from augengine_train.cyclegan.hiding import Hiding
from augengine_train.cyclegan.networks import DiscriminatorNorm
from augengine_train.loop.recipe_file import read_recipe

MIN_CROP = 32
"""Below it the discriminator's last norm has no plane left to average over; each coarser scale needs twice the side."""

MAX_SCALES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """A CycleGAN training.

    Attributes:
        name: For cards and logs.
        generator: Architecture of both generators.
        discriminator_width: Channels of both discriminators' first convolution.
        discriminator_norm: ``instance`` or ``spectral``; see `PatchDiscriminator`.
        discriminator_scales: 1 to 3; beyond 1, a discriminator also judges the image at half its size, and so on.
        crop: Side of the square training images, px.
        batch: Images of each stain a process and step; 1 in both built-in recipes.
        epochs: Epochs at the full learning rate.
        decay_epochs: Epochs of linear decay towards 0 after them.
        epoch_images: Images of each stain that make an epoch; the paper has 5000 patches.
        lambda_cycle: Weight of both cycle losses.
        lambda_identity: Weight of both identity losses as a share of ``lambda_cycle``; 0 leaves them out.
        hiding: How the generators are taught to hide markers; None, as in the paper, leaves it to the cycle loss.
        halve_lambdas: Halve both weights at half time.
        lr: Adam's learning rate.
        beta1: Adam's decay of the mean.
        beta2: Adam's decay of the square.
        pool: Past translations each discriminator is shown some of; 0 shows the present ones alone.
        init_sigma: Standard deviation of the normal initialisation.
    """

    name: str
    generator: Recipe
    discriminator_width: int = 64
    discriminator_norm: DiscriminatorNorm = "instance"
    discriminator_scales: int = 1
    crop: int
    batch: int = 1
    epochs: int
    decay_epochs: int
    epoch_images: int = 5000
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    hiding: Hiding | None = None
    halve_lambdas: bool = False
    lr: float = 2e-4
    beta1: float
    beta2: float = 0.999
    pool: int = 50
    init_sigma: float = 0.02

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a training recipe needs a name", hint='in the TOML file: name = "mine"')
        _check_range("discriminator_scales", self.discriminator_scales, 1, MAX_SCALES)
        least = MIN_CROP << (self.discriminator_scales - 1)
        if self.crop < least or self.crop % SIDE_MULTIPLE:
            raise SpecError(
                f"the crop must be at least {least} px and divide by {SIDE_MULTIPLE}, got {self.crop}",
                hint="256 and 508 px are the recipes' own",
            )
        for name, most in (("batch", 10**6), ("epoch_images", 10**6), ("discriminator_width", 1024)):
            _check_range(name, getattr(self, name), 1, most)
        for name in ("epochs", "decay_epochs", "pool"):
            _check_range(name, getattr(self, name), 0, 10**6)
        if self.epochs + self.decay_epochs < 1:
            raise SpecError("a training lasts at least one epoch, got 0 + 0")
        for name in ("lambda_cycle", "lambda_identity"):
            _check_range(name, getattr(self, name), 0, 1000)
        for name in ("lr", "init_sigma"):
            if not 0 < getattr(self, name) <= 1:
                raise SpecError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(f"{name} must be in [0, 1), got {getattr(self, name)}")

    @property
    def total_epochs(self) -> int:
        """Those at the full learning rate and those of the decay."""
        return self.epochs + self.decay_epochs

    def with_changes(
        self, *, width: int | None = None, blocks: int | None = None, crop: int | None = None, batch: int | None = None
    ) -> Self:
        """The same recipe with what is not None replaced."""
        own = self.generator
        generator = replace(
            own, width=own.width if width is None else width, blocks=own.blocks if blocks is None else blocks
        )
        return replace(
            self,
            generator=generator,
            crop=self.crop if crop is None else crop,
            batch=self.batch if batch is None else batch,
        )


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SpecError(f"{name} must be {least:g} ... {most:g}, got {value}")


def zhu2017() -> TrainingRecipe:
    """The reference implementation's defaults (Zhu et al. 2017)."""
    return TrainingRecipe(name="zhu2017", generator=Recipe.zhu2017(), crop=256, epochs=100, decay_epochs=100, beta1=0.5)


def icube() -> TrainingRecipe:
    """The laboratory's variant: narrower, affine norms, 508 px, weights halved at half time."""
    return TrainingRecipe(
        name="icube",
        generator=Recipe.icube(),
        crop=508,
        epochs=25,
        decay_epochs=25,
        halve_lambdas=True,
        beta1=0.9,
    )


BUILT_IN = {"zhu2017": zhu2017, "icube": icube}


def find_recipe(text: str) -> TrainingRecipe:
    """A built-in recipe by its name, or one from a ``.toml`` file.

    The file's keys are the fields of `TrainingRecipe`, with a table ``[generator]``; ``base = "zhu2017"`` or
    ``"icube"`` says where the fields that it leaves out come from.

    Raises:
        SpecError: No such recipe or file, not TOML, or fields that do not fit.
    """
    return read_recipe(TrainingRecipe, text, {name: make() for name, make in BUILT_IN.items()})
