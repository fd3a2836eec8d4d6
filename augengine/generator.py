"""The CycleGAN generator in both recipes, and the reading of its checkpoints with weights only.

Architecture (Zhu et al. 2017, ResNet generator): reflection pad 3, conv 7 to ``width`` channels, two stride-2
convolutions, residual blocks, two transposed convolutions, reflection pad 3, conv 7, tanh; InstanceNorm and ReLU
between. Recipe ``icube`` has affine norms and a ReLU after each residual addition. Modules are numbered as in
the reference implementation, so that its state dicts load as they are.
"""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from augengine.errors import CheckpointError, SpecError

RecipeName = Literal["zhu2017", "icube"]
State = Mapping[str, Tensor]

_BLOCK_KEY = re.compile(r"model\.(\d+)\.conv_block\.")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a generator's architecture is decided by.

    Attributes:
        name: ``zhu2017``, the reference's defaults, or ``icube``, the laboratory's code.
        width: Channels of the first convolution; 64 in zhu2017, 32 in icube.
        blocks: Residual blocks.
        affine: Norms with learned scale and shift.
        relu_after_add: A ReLU after each residual addition; it leaves no trace in a checkpoint.
    """

    name: RecipeName
    width: int
    blocks: int = 9
    affine: bool = False
    relu_after_add: bool = False

    def __post_init__(self) -> None:
        if self.name not in get_args(RecipeName):
            raise SpecError(f"unknown recipe {self.name!r}", hint="zhu2017 or icube")
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

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            SpecError: Missing or unknown fields, or values out of range.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise SpecError(f"not a generator's recipe: {dict(data)}") from error


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; float (N, channels, H, W) in and out."""

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=recipe.affine),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=recipe.affine),
        )
        self.last = nn.ReLU() if recipe.relu_after_add else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find to ``x``."""
        out: Tensor = self.last(x + self.conv_block(x))
        return out


class Generator(nn.Module):
    """Translates images of one stain into another.

    Attributes:
        recipe: Its architecture.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        wide = 4 * recipe.width
        self.model = nn.Sequential(
            *_encoder(recipe),
            *(ResidualBlock(wide, recipe) for _ in range(recipe.blocks)),
            *_decoder(recipe),
        )

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Float (N, 3, H, W), nominally in [-1, 1], to the same shape in (-1, 1); H and W divide by 4."""
        y_nchw: Tensor = self.model(x_nchw)
        return y_nchw


def _norm_relu(channels: int, recipe: Recipe) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels, affine=recipe.affine), nn.ReLU()


def _encoder(recipe: Recipe) -> list[nn.Module]:
    w = recipe.width
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), *_norm_relu(w, recipe)]
    for c in (w, 2 * w):
        layers += [nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), *_norm_relu(2 * c, recipe)]
    return layers


def _decoder(recipe: Recipe) -> list[nn.Module]:
    w = recipe.width
    layers: list[nn.Module] = []
    for c in (2 * w, w):
        layers += [nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1), *_norm_relu(c, recipe)]
    return [*layers, nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh()]


class _Float32(nn.Module):
    """Runs a module in float32 between float16 neighbours."""

    def __init__(self, inner: nn.Module, out: torch.dtype) -> None:
        super().__init__()
        self.inner, self.out = inner, out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x.float())
        return y.to(self.out)


def to_half(generator: Generator) -> nn.Module:
    """A copy that computes in float16 between a float32 input and output; norms and the last tanh in float32.

    The same types as `augengine.engines.onnx_types.to_float16` gives a graph.
    """
    half = copy.deepcopy(generator).half()
    for parent in [module for module in half.modules() if isinstance(module, nn.Sequential)]:
        for index, layer in enumerate(parent):
            if isinstance(layer, nn.InstanceNorm2d):
                parent[index] = _Float32(layer.float(), torch.float16)
    half.model[-1] = _Float32(half.model[-1], torch.float32)
    return nn.Sequential(_ToHalf(), half)


class _ToHalf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def load_checkpoint(path: Path, *, recipe: RecipeName | None = None) -> Generator:
    """Read a generator from ``.safetensors`` or from ``.pth`` / ``.pt`` (zip or legacy), weights only.

    Width, blocks and affine norms follow from the tensors' shapes. The ReLU after the residual addition does
    not: ``recipe`` says, by default icube for affine norms, else zhu2017.

    Returns:
        The generator in float32 on the CPU, in eval mode; its ``recipe`` says what was found.

    Raises:
        CheckpointError: Unreadable, holding code, or no generator of this architecture.
    """
    state = _without_wrappers(_read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path), path)
    return generator_from(infer_recipe(state, recipe, str(path)), state, str(path))


def generator_from(recipe: Recipe, state: State, source: str) -> Generator:
    """A generator of this recipe with these weights, in float32 on the CPU, in eval mode.

    Args:
        recipe: Its architecture.
        state: Tensors by the names of the reference implementation.
        source: Where they come from, for the error's sentence.

    Raises:
        CheckpointError: Tensors missing, left over, of another shape, or not finite.
    """
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise CheckpointError(f"{source}: {bad[0]} holds values that are not finite", hint="its training diverged")
    with torch.device("meta"):
        generator = Generator(recipe)
    try:
        generator.load_state_dict({name: tensor.float().clone() for name, tensor in state.items()}, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n\t")[1:])[:400]
        raise CheckpointError(
            f"{source} does not fit a generator with {recipe.width} channels and {recipe.blocks} blocks: {reason}",
            hint="ResNet CycleGAN generators with instance norm and without dropout are read",
        ) from error
    return generator.eval().requires_grad_(requires_grad=False)


def infer_recipe(state: State, name: RecipeName | None, source: str) -> Recipe:
    """The recipe that a state dict's names and shapes say; see `load_checkpoint`.

    Raises:
        CheckpointError: It is no ResNet generator for RGB images.
    """
    first = state.get("model.1.weight")
    if first is None or first.ndim != 4 or tuple(first.shape[1:]) != (3, 7, 7):
        found = "no model.1.weight" if first is None else f"model.1.weight of shape {tuple(first.shape)}"
        raise CheckpointError(
            f"{source} is no ResNet generator: {found}, expected (width, 3, 7, 7)",
            hint="give the file of a generator (netG), not of a discriminator or a whole training state",
        )
    affine = "model.2.weight" in state
    blocks = len({match[1] for key in state if (match := _BLOCK_KEY.match(key))})
    chosen: RecipeName = name or ("icube" if affine else "zhu2017")
    try:
        return Recipe(name=chosen, width=len(first), blocks=blocks, affine=affine, relu_after_add=chosen == "icube")
    except SpecError as error:
        raise CheckpointError(f"{source}: {error}", hint=error.hint) from error


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}", hint="it should be a safetensors file") from error


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # It remarks on the pickle protocol of files that it then refuses or reads.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged or holds more than weights, perhaps code, and was not run",
            hint="save the state dict alone: torch.save(netG.state_dict(), FILE), or use safetensors",
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"cannot read {path}: {str(error).splitlines()[0] if str(error) else 'it ends too early'}",
            hint="a .safetensors, .pth or .pt file with a state dict is expected",
        ) from error


def _without_wrappers(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Drop DataParallel's prefix, and the running statistics of old instance norms, which were never used."""
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise CheckpointError(
            f"{path} holds no state dict but {type(loaded).__name__}", hint="save netG.state_dict() alone"
        )
    names = {str(key).removeprefix("module."): tensor for key, tensor in state.items()}
    return {name: tensor for name, tensor in names.items() if not name.endswith(_STATISTICS)}
