"""Numbers in the names that contradict the plain layout are refused, with the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from augengine.errors import CheckpointError
from augengine.generator import Said, read_checkpoint
from augengine.generator.entries import natural
from tests.generator.test_load import ICUBE, saved, translates_like
from tests.support.foreign_generators import BLOCKS, Numbered, Worded, affine_norm, draw_weights

State = Mapping[str, Tensor]
ZHU = Said(recipe="zhu2017")


def renumbered(state: State, shift: Callable[[int], int]) -> dict[str, Tensor]:
    """The same tensors under other numbers in the outer Sequential."""
    return {re.sub(r"^model\.(\d+)", lambda m: f"model.{shift(int(m[1]))}", name): t for name, t in state.items()}


def in_blocks(state: State, numbers: Mapping[int, int]) -> dict[str, Tensor]:
    """The same tensors under other numbers inside the blocks."""
    return {
        re.sub(r"conv_block\.(\d+)", lambda m: f"conv_block.{numbers[int(m[1])]}", name): t for name, t in state.items()
    }


def plain() -> State:
    return Numbered().state_dict()


def affine() -> State:
    return Numbered(norm=affine_norm).state_dict()


def one_convolution_a_block() -> dict[str, Tensor]:
    """Four blocks of one convolution each."""
    state = {name: t for name, t in plain().items() if "conv_block" not in name}
    blocks = {f"model.{10 + i}.conv_block.1.weight": torch.zeros(16, 16, 3, 3) for i in range(2 * BLOCKS)}
    behind = renumbered({name: t for name, t in state.items() if int(name.split(".")[1]) > 9}, lambda n: n + BLOCKS)
    return {name: t for name, t in state.items() if int(name.split(".")[1]) < 10} | blocks | behind


def three_convolutions_a_block() -> dict[str, Tensor]:
    more = {f"model.{10 + i}.conv_block.9.weight": torch.zeros(16, 16, 3, 3) for i in range(BLOCKS)}
    return dict(sorted((dict(plain()) | more).items(), key=lambda each: natural(each[0])))


def swapped_blocks() -> dict[str, Tensor]:
    state = plain()
    first = {name: t for name, t in state.items() if name.startswith("model.11.")}
    return first | {name: t for name, t in state.items() if name not in first}


def norms_first() -> dict[str, Tensor]:
    """Norm, ReLU, padding, convolution: as blocks with pre-activation are built."""
    return in_blocks(affine(), {1: 3, 2: 0, 5: 7, 6: 4})


def norms_listed_first() -> dict[str, Tensor]:
    """Named parts whose norms were made before their convolutions."""
    state = {name.replace("inner", "inside"): t for name, t in Worded().state_dict().items()}
    norms = {name: t for name, t in state.items() if ".norm_" in name}
    return norms | {name: t for name, t in state.items() if name not in norms}


CASES: dict[str, tuple[Callable[[], State], str]] = {
    "a pooling behind each convolution": (
        lambda: renumbered(plain(), lambda n: n if n < 5 else n + 1 if n < 8 else n + 2),
        r"model\.4 and model\.8 stand 4 apart where a plain generator has 3: a module between",
    ),
    "a padding in front of the strided ones": (
        lambda: renumbered(plain(), lambda n: n if n < 3 else n + 1),
        r"model\.1 and model\.5 stand 4 apart",
    ),
    "no norms": (
        lambda: renumbered(plain(), lambda n: {1: 1, 4: 3, 7: 5}.get(n, n - 3)),
        "stand 2 apart where a plain generator has 3: no room for a norm",
    ),
    "a module in front of all": (lambda: renumbered(plain(), lambda n: n + 1), "2 modules stand in front of it"),
    "a module between the blocks": (
        lambda: renumbered(plain(), lambda n: n if n < 11 else n + 1),
        r"model\.10\.conv_block and model\.12\.conv_block stand 2 apart",
    ),
    "a module in front of the decoder": (
        lambda: renumbered(plain(), lambda n: n if n < 12 else n + 1),
        r"model\.11\.conv_block and model\.13 stand 2 apart",
    ),
    "a module behind the decoder": (
        lambda: renumbered(plain(), lambda n: n if n < 19 else n + 1),
        r"model\.15 and model\.20 stand 5 apart",
    ),
    "another padding at the end": (
        lambda: renumbered(plain(), lambda n: n if n < 19 else n - 1),
        "1 modules stand in front of the first convolution and 0 in front of the last",
    ),
    "no norms in the blocks": (lambda: in_blocks(plain(), {1: 1, 5: 4}), "are numbered 1 and 4, those of a plain"),
    "neither norms nor ReLUs in them": (lambda: in_blocks(plain(), {1: 1, 5: 3}), "are numbered 1 and 3"),
    "more in the blocks": (lambda: in_blocks(plain(), {1: 1, 5: 8}), "are numbered 1 and 8"),
    "pre-activation": (lambda: in_blocks(plain(), {1: 3, 5: 7}), "are numbered 3 and 7"),
    "norms before the convolutions": (norms_first, "are numbered 3 and 7"),
    "norms listed before them": (norms_listed_first, "stands before the convolution"),
    "activations before the norms": (
        lambda: in_blocks(affine(), {1: 1, 2: 3, 5: 5, 6: 6}),
        r"the norm model\.10\.conv_block\.3 does not stand right behind the convolution model\.10\.conv_block\.1",
    ),
    "blocks of one convolution": (one_convolution_a_block, "seem to be of two residual blocks"),
    "blocks of three": (three_convolutions_a_block, "seem to be of two residual blocks"),
    "blocks in another order in the file": (swapped_blocks, "the file lists"),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_that_contradict_the_plain_layout_are_refused(case: str, tmp_path: Path) -> None:
    make, reason = CASES[case]
    said = ICUBE if "norm" in case or "activations" in case else Said()
    file = saved(make(), tmp_path)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_checkpoint(file, said=said)
    assert "--example IN OUT" in caught.value.hint
    assert "ONNX" in caught.value.hint
    assert read_checkpoint(file, said=said, doubtful=True).reading.doubts


@pytest.mark.parametrize("prefix", ["", "module.", "net.0.", "generators.3.", "_orig_mod."])
def test_a_prefix_with_numbers_contradicts_nothing(prefix: str, tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    state = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    assert translates_like(network, read_checkpoint(saved(state, tmp_path)))


@pytest.mark.parametrize("order", ["alphabet", "safetensors"])
def test_an_order_that_tells_nothing_contradicts_nothing(order: str, tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    if order == "alphabet":
        file = saved(dict(sorted(network.state_dict().items())), tmp_path)
    else:
        file = tmp_path / "netG.safetensors"
        save_file(dict(reversed(network.state_dict().items())), file)
    assert translates_like(network, read_checkpoint(file))


def test_blocks_of_modules_that_hold_convolution_and_norm_are_read(tmp_path: Path) -> None:
    network = draw_weights(Numbered(norm=affine_norm))
    names = {"1": "0.conv.0", "2": "0.conv.1", "5": "1.conv.0", "6": "1.conv.1"}
    state = {
        re.sub(r"conv_block\.(\d)\.", lambda m: f"block.{names[m[1]]}.", name): t
        for name, t in network.state_dict().items()
    }
    checkpoint = read_checkpoint(saved(state, tmp_path), said=ZHU)
    assert translates_like(network, checkpoint)
    assert any("(--padding)" in phrase for phrase in checkpoint.reading.assumed)


def test_room_for_dropout_is_said_only_where_it_is(tmp_path: Path) -> None:
    for dropout in (True, False):
        for pad in (nn.ReflectionPad2d, None):
            state = Numbered(dropout=dropout, pad=pad).state_dict()
            warnings = read_checkpoint(saved(state, tmp_path)).reading.warnings
            assert any("room for dropout" in warning for warning in warnings) == dropout
    for state in (in_blocks(plain(), {1: 1, 5: 4}), in_blocks(plain(), {1: 1, 5: 3})):
        reading = read_checkpoint(saved(state, tmp_path), doubtful=True).reading
        assert not any("dropout" in warning for warning in reading.warnings)
