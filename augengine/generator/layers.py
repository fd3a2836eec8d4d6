"""The layers of a state dict, and the roles of its convolutions, by the shapes of their tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from augengine.errors import CheckpointError
from augengine.generator.entries import State, natural
from augengine.generator.reparametrised import check_folded

READABLE = (
    "ResNet CycleGAN generators with two stride-2 convolutions and instance norm are read; "
    "import any other as ONNX, with dynamic sides: torch.onnx.export"
)
PARTS = ("weight", "bias")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_FOREIGN = {
    "filt": "anti-aliased resampling (blur pooling)",
    "gamma": "attention, or a norm of its own",
    "beta": "a norm of its own",
    "rho": "adaptive layer-instance norm",
}


@dataclass(slots=True)
class Layer:
    """The tensors of one module, by the last component of their names."""

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def weight(self) -> Tensor:
        """The weights of a convolution, or the scales of an affine norm."""
        return self.tensors["weight"]

    @property
    def is_convolution(self) -> bool:
        """Whether the module is a convolution: its weight has four dimensions."""
        return "weight" in self.tensors and self.weight.ndim == 4

    @property
    def tracked(self) -> bool:
        """Whether it carries running statistics."""
        return any(name in self.tensors for name in _STATISTICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolutions:
    """The convolutions by their roles."""

    stem: Layer
    down: tuple[Layer, Layer]
    blocks: tuple[Layer, ...]
    up: tuple[Layer, Layer]
    end: Layer
    transposed: bool

    def in_order(self) -> list[Layer]:
        """All convolutions in the order in which they run."""
        return [self.stem, *self.down, *self.blocks, *self.up, self.end]


def layers_of(state: State, source: str) -> list[Layer]:
    """A state dict's layers in the natural order of their names.

    Raises:
        CheckpointError: A tensor of a kind that these generators do not have.
    """
    check_folded(state, source)
    layers: dict[str, Layer] = {}
    for full, tensor in state.items():
        name, _, part = full.rpartition(".")
        if part not in (*PARTS, *_STATISTICS):
            what = _FOREIGN.get(part, "something")
            raise CheckpointError(f"{source} has {what} that cannot be read: {full}", hint=READABLE)
        if part in PARTS and not (tensor.is_floating_point() and tensor.ndim in (1, 4)):
            seen = f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
            raise CheckpointError(f"{source}: {full}, {seen}, is neither a convolution's nor a norm's", hint=READABLE)
        layers.setdefault(name, Layer(name)).tensors[part] = tensor
    return sorted(layers.values(), key=lambda layer: natural(layer.name))


def roles_of(convolutions: Sequence[Layer], source: str) -> Convolutions:
    """Which convolution does what, from the shapes of their weights.

    Raises:
        CheckpointError: One too few or too many, or of a shape that has no place.
    """
    stem = next((c for c in convolutions if tuple(c.weight.shape[1:]) == (3, 7, 7)), None)
    width = 0 if stem is None else len(stem.weight)
    end = next((c for c in reversed(convolutions) if tuple(c.weight.shape) == (3, width, 7, 7)), None)
    if stem is None or end is None or stem is end:
        raise CheckpointError(f"{source} lacks a first or a last 7x7 convolution, from and to RGB", hint=READABLE)
    places = defaultdict[str, list[Layer]](list)
    for layer in convolutions:
        if layer is not stem and layer is not end:
            places[_place(layer, width, source)].append(layer)
    _settle(places, "down1", "up2 transposed", source)
    _settle(places, "down2", "up1 transposed", source)
    transposed = "up1 transposed" in places
    wanted = ["down1", "down2", *(f"up{i}{' transposed' if transposed else ''}" for i in (1, 2))]
    counts = {place: len(places[place]) for place in (*wanted, *places) if place != "block"}
    if wrong := [place for place, count in counts.items() if count != (place in wanted)]:
        place = wrong[0]
        raise CheckpointError(
            f"{source} has {counts[place]} convolutions for {place}, not {int(place in wanted)}", hint=READABLE
        )
    down1, down2, up1, up2 = (places[place][0] for place in wanted)
    blocks = tuple(places["block"])
    if len(blocks) % 2:
        raise CheckpointError(f"{source} has {len(blocks)} convolutions in residual blocks, not 2 each", hint=READABLE)
    return Convolutions(stem=stem, down=(down1, down2), blocks=blocks, up=(up1, up2), end=end, transposed=transposed)


def _place(layer: Layer, width: int, source: str) -> str:
    """The role of a 3x3 convolution from its channels; a transposed one is known by the length of its bias."""
    shape = tuple(layer.weight.shape)
    plain = {(2, 1): "down1", (4, 2): "down2", (4, 4): "block", (2, 4): "up1", (1, 2): "up2"}
    transposed = {(2, 1): "up2 transposed", (4, 2): "up1 transposed"}
    by_channels = transposed if len(layer.tensors.get("bias", layer.weight)) != shape[0] else plain
    factors = shape[0] // width, shape[1] // width
    if shape != (factors[0] * width, factors[1] * width, 3, 3) or factors not in by_channels:
        raise CheckpointError(
            f"{source}: {layer.name} of shape {shape} has no place in a ResNet generator of {width} channels",
            hint=READABLE,
        )
    return by_channels[factors]


def _settle(places: dict[str, list[Layer]], down: str, up: str, source: str) -> None:
    """Tell a transposed convolution from a strided one, which looks the same if it has no bias.

    If the names are numbered, the transposed one is the later one.
    """
    if len(places[down]) != 2 or places.get(up):
        return
    earlier, later = places[down]
    differ = next((a, b) for a, b in zip(natural(earlier.name), natural(later.name), strict=False) if a != b)
    if not all(isinstance(part, int) for _, part in differ):
        raise CheckpointError(
            f"{source}: without biases, {earlier.name} and {later.name} cannot be told apart", hint=READABLE
        )
    places[down], places[up] = [earlier], [later]
