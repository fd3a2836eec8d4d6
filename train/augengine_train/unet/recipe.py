"""What a segmenter's training is decided by besides its data and its seed: a frozen recipe, built in or from a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from augengine.errors import SpecError
from augengine_train.loop.recipe_file import read_recipe

Padding = Literal["valid", "same"]
KERNEL_LOSS = 4
"""Pixels that two unpadded convolutions with kernels of 3 take off a side."""

_MAX_VALUES = (("width", 256), ("depth", 7), ("shrink", 64), ("crop", 4096), ("batch", 10**4), ("epochs", 10**6))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnetRecipe:
    """A U-Net's training.

    Attributes:
        name: For cards and logs.
        padding: ``valid``: unpadded convolutions, the output is smaller than the input and shows what lies in its
            centre; ``same``: output and input have one size.
        width: Filters of the first level; each level below has twice as many.
        depth: Levels; 5 with width 64 has 64 ... 1024 filters.
        shrink: Whole factor by which tiles and masks are shrunk first; the network works and is measured at that scale.
        crop: Side of the square training images, px after shrinking.
        batch: Images a step.
        epochs: How often every training tile is shown.
        lr: Adam's learning rate.
        p: Probability of showing a variant in place of the tile.
        own_p: Probability of each of the segmenter's own augmentations.
        stain_jitter: Whether the jitter of stain concentrations is among them.
    """

    name: str
    padding: Padding
    width: int
    depth: int
    shrink: int = 1
    crop: int
    batch: int = 8
    epochs: int
    lr: float
    p: float = 0.5
    own_p: float = 0.5
    stain_jitter: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a training recipe needs a name", hint='in the TOML file: name = "mine"')
        if self.padding not in get_args(Padding):
            raise SpecError(f"padding is valid or same, got {self.padding!r}")
        for name, most in _MAX_VALUES:
            if not 1 <= getattr(self, name) <= most:
                raise SpecError(f"{name} must be 1 ... {most}, got {getattr(self, name)}")
        for name in ("p", "own_p"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError(f"{name} is a probability in [0, 1], got {getattr(self, name)}")
        if not 0 < self.lr <= 1:
            raise SpecError(f"lr must be in (0, 1], got {self.lr}")
        if self.output_side(self.crop) is None:
            hint = f"{self.largest_crop(self.crop) or self._least()} px fit"
            raise SpecError(f"a {self.padding} U-Net of depth {self.depth} takes no {self.crop} px", hint=hint)

    @property
    def margin(self) -> int:
        """Pixels at each border of the input that the output does not show."""
        out = self.output_side(self.crop)
        assert out is not None
        return (self.crop - out) // 2

    def largest_crop(self, side: int) -> int | None:
        """The largest crop that fits into a side, in pixels that the network sees; None where none does."""
        return next((crop for crop in range(side, 0, -1) if self.output_side(crop) is not None), None)

    def output_side(self, side: int) -> int | None:
        """The output's side for an input's, or None where a level would not halve evenly or nothing is left."""
        loss = KERNEL_LOSS if self.padding == "valid" else 0
        down = side - loss
        for _ in range(self.depth - 1):
            if down < 2 or down % 2:
                return None
            down = down // 2 - loss
        up = down
        for _ in range(self.depth - 1):
            up = 2 * up - loss
        return up if down > 0 and up > 0 else None

    def _least(self) -> int:
        return next(side for side in range(1, 4097) if self.output_side(side) is not None)

    def with_changes(self, **changes: Any) -> Self:
        """The same recipe with what is not None replaced."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


def icube() -> UnetRecipe:
    """The laboratory's: 64 ... 1024 filters, 508 px in, 324 out."""
    return UnetRecipe(name="icube", padding="valid", width=64, depth=5, crop=508, epochs=250, lr=1e-4)


def small() -> UnetRecipe:
    """The recipe for a CPU: padded, 16 ... 128 filters, 128 px, and a learning rate that so few filters bear."""
    return UnetRecipe(name="small", padding="same", width=16, depth=4, crop=128, epochs=50, lr=1e-3)


BUILT_IN = {"icube": icube, "small": small}


def find_recipe(text: str) -> UnetRecipe:
    """A built-in recipe by its name, or one from a ``.toml`` file.

    The file's keys are the fields of `UnetRecipe`; ``base = "icube"`` or ``"small"`` says where those that it leaves
    out come from.

    Raises:
        SpecError: No such recipe or file, not TOML, or fields that do not fit.
    """
    return read_recipe(UnetRecipe, text, {name: make() for name, make in BUILT_IN.items()})
