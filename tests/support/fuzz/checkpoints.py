"""Checkpoints: trees of tensors of all kinds, some of which nearly are generators."""

from __future__ import annotations

import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import save_file

from augengine.errors import AugengineError
from augengine.generator.load import read_checkpoint
from augengine.generator.network import Generator
from augengine.weights.recipe import Recipe, Upsampling

Change = Callable[[torch.Tensor], Any]
FILE = "x.pth"
KINDS: tuple[tuple[bool, Upsampling], ...] = ((False, "transposed"), (True, "nearest"))
STATES = tuple(
    Generator(Recipe(name="zhu2017", width=4, blocks=1, affine=affine, upsampling=up)).state_dict()
    for affine, up in KINDS
)

CHANGES: tuple[Change, ...] = (
    lambda t: t.half(),
    lambda t: t.double(),
    lambda t: t.to(torch.bfloat16),
    lambda t: t.to(torch.complex64),
    lambda t: t.to(torch.float8_e4m3fn),
    lambda t: t.to(torch.int64),
    lambda t: t.to_sparse(),
    lambda t: t.to("meta"),
    lambda t: t.flatten()[:1].expand(1 << 24),
    lambda t: t.flatten()[:1].expand(t.numel() or 1).reshape(t.shape),
    lambda t: t.flatten()[: t.numel() // 2],
    lambda t: t.transpose(0, -1) if t.dim() else t,
    lambda t: t.new_zeros(0),
    lambda t: t.new_full(t.shape, float("nan")),
    lambda t: torch.nn.Parameter(t),
    lambda t: t.unsqueeze(0),
    lambda t: t.tolist(),
    lambda t: None,
    lambda t: "x" * 1000,
)
NAMES = st.one_of(
    st.sampled_from(
        [
            *("state_dict", "netG_A", "params", "module", "", ".", "model", "model.1.weight", "model.-1.bias"),
            *("model.1e9.weight", "model." + "9" * 300 + ".weight", 0, -1, 10**4000, None, True, ("a", 1), 0.5),
        ]
    ),
    st.text(max_size=4),
)


@st.composite
def _state(draw: st.DrawFn) -> dict[Any, Any]:
    """A generator's tensors, some changed, renamed or lost."""
    state: dict[Any, Any] = dict(draw(st.sampled_from(STATES)))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(state, key=str)))
        match draw(st.sampled_from(["change", "change", "rename", "lose"])):
            case "change" if isinstance(state[name], torch.Tensor):
                change = draw(st.sampled_from(CHANGES))
                with suppress(RuntimeError):  # what was changed before may not bear it
                    state[name] = change(state[name])
            case "rename":
                state[draw(NAMES)] = state.pop(name)
            case "lose" if len(state) > 1:
                del state[name]
    return state


def _shared(depth: int, wide: int, value: Any) -> Any:
    for _ in range(depth):
        value = {f"k{i}": value for i in range(wide)}
    return value


def _deep(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = {"inner": value}
    return value


def _in_itself(value: Any) -> Any:
    found = OrderedDict({"state": value})
    found["again"] = found
    return found


def _trees() -> st.SearchStrategy[Any]:
    leaves = st.one_of(_state(), _state(), st.none(), st.integers(), st.text(max_size=3), st.binary(max_size=8))
    trees = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=3), st.tuples(inner, inner)
        ),
        max_leaves=5,
    )
    return st.one_of(
        _state(),
        _state(),
        trees,
        st.builds(_shared, st.integers(1, 12), st.integers(1, 9), trees),
        st.builds(_deep, st.integers(1, 300), trees),
        trees.map(_in_itself),
    )


def made_up() -> st.SearchStrategy[Any]:
    """A tree, how it is written, and where bytes of the file are changed."""
    damage = st.one_of(st.none(), st.none(), st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)))
    return st.tuples(_trees(), st.sampled_from(["zip", "zip", "legacy", "deflated", "safetensors"]), damage)


def holds(value: tuple[Any, str, tuple[float, bytes] | None], folder: Path) -> bool:
    """It is a generator that computes, or refused."""
    tree, form, damage = value
    file = folder / FILE
    if not _written(tree, form, file):
        return False
    if damage is not None:
        data = bytearray(file.read_bytes())
        at = int(damage[0] * len(data))
        data[at : at + len(damage[1])] = damage[1]
        file.write_bytes(data)
    try:
        found = read_checkpoint(file)
    except AugengineError:
        return False
    with torch.inference_mode():
        assert found.generator(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    return True


def _written(tree: Any, form: str, file: Path) -> bool:
    """Whether torch can write such a file at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if form == "safetensors":
                save_file(tree, file)
            else:
                torch.save(tree, file, _use_new_zipfile_serialization=form != "legacy")
        except (RuntimeError, ValueError, RecursionError, TypeError, AttributeError, SafetensorError):
            return False
    if form == "deflated":
        _deflate(file)
    return True


def _deflate(file: Path) -> None:
    with zipfile.ZipFile(file) as plain:
        parts: Mapping[str, bytes] = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
