"""What decides a generator's architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, Self, get_args

from augengine.errors import SpecError

RecipeName = Literal["zhu2017", "icube"]
Upsampling = Literal["transposed", "nearest", "bilinear"]
Padding = Literal["reflect", "zeros", "replicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a generator's architecture is decided by.

    Attributes:
        name: ``zhu2017``, the reference's defaults, or ``icube``, the laboratory's code.
        width: Channels of the first convolution; 64 in zhu2017, 32 in icube.
        blocks: Residual blocks.
        affine: Norms with learned scale and shift.
        relu_after_add: A ReLU after each residual addition; it leaves no trace in a checkpoint.
        upsampling: Transposed convolutions, or an interpolation by 2 with a convolution behind it.
        block_padding: In front of the residual blocks' convolutions.
        up_padding: In front of the convolutions behind an interpolation; the others have none.
    """

    name: RecipeName
    width: int
    blocks: int = 9
    affine: bool = False
    relu_after_add: bool = False
    upsampling: Upsampling = "transposed"
    block_padding: Padding = "reflect"
    up_padding: Padding = "zeros"

    def __post_init__(self) -> None:
        if self.name not in get_args(RecipeName):
            raise SpecError(f"unknown recipe {self.name!r}", hint="zhu2017 or icube")
        if self.upsampling not in get_args(Upsampling):
            raise SpecError(f"unknown upsampling {self.upsampling!r}", hint=", ".join(get_args(Upsampling)))
        for padding in (self.block_padding, self.up_padding):
            if padding not in get_args(Padding):
                raise SpecError(f"unknown padding {padding!r}", hint=", ".join(get_args(Padding)))
        if not 1 <= self.width <= 1024:
            raise SpecError(f"a generator's width must be 1 ... 1024 channels, got {self.width}")
        if not 0 <= self.blocks <= 64:
            raise SpecError(f"a generator has 0 ... 64 residual blocks, got {self.blocks}")

    @classmethod
    def zhu2017(cls, width: int = 64, blocks: int = 9) -> Self:
        """The reference implementation's defaults."""
        return cls(name="zhu2017", width=width, blocks=blocks)

    @classmethod
    def icube(cls, width: int = 32, blocks: int = 9) -> Self:
        """The laboratory's variant."""
        return cls(name="icube", width=width, blocks=blocks, affine=True, relu_after_add=True)

    def sentence(self) -> str:
        """What it is, for people: ``zhu2017, 64 channels, 9 residual blocks, plain instance norm ...``."""
        norm = "affine" if self.affine else "plain"
        up = "transposed convolutions" if self.upsampling == "transposed" else f"{self.upsampling} upsampling"
        edge = "" if self.block_padding == "reflect" else f", blocks padded by {self.block_padding}"
        relu = ", a ReLU after each addition" if self.relu_after_add else ""
        return (
            f"{self.name}, {self.width} channels, {self.blocks} residual blocks{edge}{relu}, {norm} instance norm, {up}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the user says of a checkpoint; None where nothing is said.

    Attributes:
        recipe: ``icube`` has a ReLU after each residual addition, ``zhu2017`` has none.
        upsampling: Which interpolation, where it is one.
        padding: Padding of the residual blocks.
    """

    recipe: RecipeName | None = None
    upsampling: Upsampling | None = None
    padding: Padding | None = None

    def options(self) -> list[str]:
        """The options of `augengine import` that say it."""
        return [f"--{name}" for name, value in asdict(self).items() if value is not None]


NOTHING_SAID = Said()
