"""Generators written by others compute the same here, whatever their tensors are called and wrapped in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from augengine.errors import CheckpointError
from augengine.generator import Checkpoint, Recipe, Said, read_checkpoint
from tests.support.foreign_generators import BLOCKS, WIDTH, Numbered, Worded, affine_norm, draw_weights

NUMBERED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the reference's": ({}, {}),
    "affine": ({"norm": affine_norm}, {"name": "icube", "affine": True, "relu_after_add": True}),
    "block": ({"block": "block", "name": "main"}, {}),
    "nearest": ({"block": "block", "up": "nearest"}, {"upsampling": "nearest"}),
    "nearest, reflected": ({"up": "nearest", "up_pad": True}, {"upsampling": "nearest", "up_padding": "reflect"}),
    "dropout": ({"dropout": True}, {}),
    "zeros": ({"pad": None}, {"block_padding": "zeros"}),
    "zeros, dropout": ({"pad": None, "dropout": True}, {"block_padding": "zeros"}),
    "no biases": ({"bias": False}, {}),
    "no biases, affine": (
        {"bias": False, "norm": affine_norm},
        {"name": "icube", "affine": True, "relu_after_add": True},
    ),
    "no biases, nearest": ({"bias": False, "up": "nearest"}, {"upsampling": "nearest"}),
}


ICUBE = Said(recipe="icube")


def draw_images() -> Tensor:
    return torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def saved(state: Mapping[str, Any], folder: Path) -> Path:
    torch.save(dict(state), folder / "netG.pth")
    return folder / "netG.pth"


def translates_like(network: nn.Module, checkpoint: Checkpoint) -> bool:
    """Within a hundredth of a grey level."""
    x = draw_images()
    return bool((checkpoint.generator(x) - network(x)).abs().max() < 1e-4)


def says(checkpoint: Checkpoint, word: str) -> bool:
    return any(word in sentence for sentence in (*checkpoint.reading.assumed, *checkpoint.reading.warnings))


@pytest.mark.parametrize("case", NUMBERED)
def test_numbered_networks_are_read_by_their_shapes(case: str, tmp_path: Path) -> None:
    options, expected = NUMBERED[case]
    relu = expected.get("relu_after_add", False)
    network = draw_weights(Numbered(**options, relu=relu))
    said = Said(recipe=expected.get("name") if relu else None)
    checkpoint = read_checkpoint(saved(network.state_dict(), tmp_path), said=said)
    values: dict[str, Any] = {"name": "zhu2017", "width": WIDTH, "blocks": BLOCKS} | expected
    assert checkpoint.reading.recipe == Recipe(**values)
    assert translates_like(network, checkpoint)
    assert says(checkpoint, "dropout") == options.get("dropout", False)
    assert says(checkpoint, "--upsampling") == ("up" in options)
    assert not says(checkpoint, "--padding")


def test_a_network_of_named_parts_is_read_whatever_the_alphabet_says(tmp_path: Path) -> None:
    network = draw_weights(Worded())
    checkpoint = read_checkpoint(saved(network.state_dict(), tmp_path), said=ICUBE)
    assert checkpoint.reading.recipe == Recipe.icube(width=WIDTH, blocks=11)
    assert translates_like(network, checkpoint)
    assert says(checkpoint, "blocks padded by reflection (--padding)")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"relu": True}, {"recipe": "icube"}),
        ({"up": "bilinear"}, {"upsampling": "bilinear"}),
        ({"pad": nn.ReplicationPad2d}, {"padding": "replicate"}),
    ],
)
def test_what_leaves_no_trace_can_be_said(options: dict[str, Any], said: dict[str, Any], tmp_path: Path) -> None:
    network = draw_weights(Numbered(**options))
    file = saved(network.state_dict(), tmp_path)
    assert not translates_like(network, read_checkpoint(file))
    assert translates_like(network, read_checkpoint(file, said=Said(**said)))


def test_ends_that_seem_not_to_be_padded_by_a_module_are_said(tmp_path: Path) -> None:
    zeros, reflected = draw_weights(Numbered(ends_pad=False)), draw_weights(Numbered())
    for network, told in ((zeros, True), (reflected, False)):
        checkpoint = read_checkpoint(saved(network.state_dict(), tmp_path))
        assert says(checkpoint, "no module in front of the first shows a padding") == told
        assert translates_like(network, checkpoint) != told


def test_what_the_tensors_contradict_cannot_be_said(tmp_path: Path) -> None:
    file = saved(Numbered().state_dict(), tmp_path)
    with pytest.raises(CheckpointError, match="transposed convolutions, not by nearest"):
        read_checkpoint(file, said=Said(upsampling="nearest"))


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WRAPPED: dict[str, Callable[[Mapping[str, Tensor]], Mapping[str, Any]]] = {
    "DataParallel": lambda state: prefixed(state, "module."),
    "netG.": lambda state: prefixed(state, "netG."),
    "generator.module.": lambda state: prefixed(state, "generator.module."),
    "state_dict": lambda state: {"epoch": 7, "state_dict": prefixed(state, "module."), "loss": [0.1]},
    "params": lambda state: {"params": state},
    "with its optimiser": lambda state: {
        "model": state,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(WIDTH, 3, 7, 7)}}},
    },
    "with a discriminator": lambda state: {"netG": state, "netD": {"model.0.weight": torch.zeros(8, 3, 4, 4)}},
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("wrapping", WRAPPED)
def test_a_wrapped_generator_is_found(wrapping: str, form: str, tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    content = WRAPPED[wrapping](network.state_dict())
    torch.save(content, tmp_path / "latest.ckpt", _use_new_zipfile_serialization=form == "zip")
    assert translates_like(network, read_checkpoint(tmp_path / "latest.ckpt"))


def test_safetensors_lose_the_order_of_the_layers_and_are_read_all_the_same(tmp_path: Path) -> None:
    network = draw_weights(Worded())
    state = prefixed(network.state_dict(), "generator.module.")
    save_file(dict(reversed(state.items())), tmp_path / "netG.safetensors")
    assert translates_like(network, read_checkpoint(tmp_path / "netG.safetensors", said=ICUBE))


@pytest.mark.parametrize("nested", [True, False])
def test_of_two_generators_one_is_chosen_by_its_name(nested: bool, tmp_path: Path) -> None:
    networks = {"netG_A": draw_weights(Numbered(), 1), "netG_B": draw_weights(Numbered(), 2)}
    content: dict[str, Any] = {name: prefixed(net.state_dict(), "module.") for name, net in networks.items()}
    if not nested:
        content = {f"{name}.{key}": tensor for name, state in content.items() for key, tensor in state.items()}
        content["netD_A.model.0.weight"] = torch.zeros(8, 3, 4, 4)
    file = saved(content, tmp_path)
    with pytest.raises(CheckpointError, match=r"2 generators: .*netG_A.*netG_B") as caught:
        read_checkpoint(file)
    assert "--entry" in caught.value.hint
    for name, network in networks.items():
        assert translates_like(network, read_checkpoint(file, entry=name))
    with pytest.raises(CheckpointError, match="no entry 'netG'") as caught:
        read_checkpoint(file, entry="netG")
    assert "netG_A" in caught.value.hint


def test_a_mapping_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    content: dict[str, Any] = {"netG": network.state_dict()}
    content |= {f"again{i}": content for i in range(9)}
    torch.save(content, tmp_path / "netG.pth")
    assert translates_like(network, read_checkpoint(tmp_path / "netG.pth"))


def test_statistics_that_instance_norms_never_used_are_left_out_and_said(tmp_path: Path) -> None:
    network = draw_weights(Numbered(norm=lambda c: nn.InstanceNorm2d(c, track_running_stats=True))).train()
    checkpoint = read_checkpoint(saved(network.state_dict(), tmp_path))
    assert translates_like(network, checkpoint)
    assert says(checkpoint, "running statistics")


def with_other(name: str, tensor: Tensor) -> dict[str, Tensor]:
    return {**Numbered().state_dict(), name: tensor}


REFUSED: dict[str, tuple[Callable[[], Mapping[str, Any]], str]] = {
    "batch norm": (lambda: Numbered(norm=nn.BatchNorm2d, bias=False).state_dict(), "batch norm"),
    "batch norm, biases": (lambda: Numbered(norm=nn.BatchNorm2d).state_dict(), "batch norm"),
    "group norm": (
        lambda: {k: v for k, v in Numbered(norm=affine_norm).state_dict().items() if k != "model.2.bias"},
        "norms do not fit",
    ),
    "discriminator": (lambda: {"model.0.weight": torch.zeros(8, 3, 4, 4)}, r"\(8, 3, 4, 4\)"),
    "grey": (lambda: with_other("model.1.weight", torch.zeros(WIDTH, 1, 7, 7)), "no ResNet generator"),
    "blur pooling": (lambda: with_other("model.5.filt", torch.zeros(8, 1, 3, 3)), "anti-aliased"),
    "a reparametrisation": (lambda: orthogonal_state(), r"model\.4\.weight in parts"),
    "attention": (lambda: with_other("model.12.gamma", torch.zeros(1)), "attention"),
    "linear": (lambda: with_other("fc.weight", torch.zeros(4, 4)), "neither a convolution's nor a norm's"),
    "scalar": (lambda: with_other("relu.weight", torch.zeros(())), "neither a convolution's nor a norm's"),
    "integers": (lambda: with_other("model.4.bias", torch.zeros(8, dtype=torch.int8)), "int8"),
    "one more": (lambda: with_other("model.99.weight", torch.zeros(WIDTH, 2 * WIDTH, 3, 3)), "up2"),
    "three times down": (lambda: with_other("model.99.weight", torch.zeros(32, 16, 3, 3)), r"no place .* 4 channels"),
    "kernel of 4": (lambda: with_other("model.4.weight", torch.zeros(8, 4, 4, 4)), r"\(8, 4, 4, 4\)"),
    "half a block": (lambda: with_other("model.98.weight", torch.zeros(16, 16, 3, 3)), "5 convolutions in residual"),
    "no end": (
        lambda: {k: v for k, v in Numbered().state_dict().items() if not k.startswith("model.19")},
        "first or a last 7x7",
    ),
    "not finite": (lambda: with_other("model.1.bias", torch.full((WIDTH,), torch.nan)), "not finite"),
    "a list": (lambda: {"state_dict": [1, 2]}, "no state dict"),
}


def orthogonal_state() -> dict[str, Tensor]:
    network = Numbered()
    orthogonal(network.get_submodule("model.4"))
    return network.state_dict()


@pytest.mark.parametrize("case", REFUSED)
def test_other_architectures_are_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_checkpoint(saved(make(), tmp_path))
    assert caught.value.hint


@pytest.mark.parametrize("name", ["generator.h5", "generator.keras", "saved_model.pb", "weights.pth"])
def test_keras_and_tensorflow_are_sent_to_onnx(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n and so on")
    with pytest.raises(CheckpointError, match="TensorFlow or Keras") as caught:
        read_checkpoint(tmp_path / name)
    assert "tf2onnx" in caught.value.hint


def test_a_saved_model_is_sent_to_onnx_too(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a folder"):
        read_checkpoint(tmp_path)
