"""Checkpoint files to generators, with weights only: nothing in a file is ever run."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augengine.errors import CheckpointError
from augengine.generator.claims import check_archive, check_kinds, check_sizes
from augengine.generator.entries import State, all_tensors, own_entry, pick_state
from augengine.generator.file_kind import kind_of
from augengine.generator.inert import inert_globals
from augengine.generator.layers import READABLE
from augengine.generator.layout import Reading, read_state
from augengine.generator.network import Generator
from augengine.storage import open_plain
from augengine.weights.recipe import NOTHING_SAID, Recipe, RecipeName, Said

_NAMED = re.compile(r"(?:GLOBAL|class|function) ([\w.]+\.\w+)")
_ALONE = "save the state dict alone: torch.save(netG.state_dict(), FILE), or use safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A generator read from a file.

    Attributes:
        generator: In float32 on the CPU, in eval mode.
        reading: What its tensors said, and what had to be assumed.
    """

    generator: Generator
    reading: Reading


def load_checkpoint(path: Path, *, recipe: RecipeName | None = None) -> Generator:
    """The generator of a file that holds one; see `read_checkpoint`.

    Returns:
        The generator in float32 on the CPU, in eval mode; its ``recipe`` says what was found.
    """
    return read_checkpoint(path, said=Said(recipe=recipe)).generator


def read_checkpoint(
    path: Path, *, entry: str | None = None, said: Said = NOTHING_SAID, doubtful: bool = False
) -> Checkpoint:
    """Read a generator from ``.safetensors`` or from ``.pth`` / ``.pt`` / ``.ckpt`` (zip or legacy), weights only.

    Width, blocks, norms and the kind of upsampling follow from the tensors' shapes; names give the order, and their
    numbers tell of modules without tensors.

    Args:
        path: The file; its first bytes count, not its ending.
        entry: Which of several generators, as ``netG_A``.
        said: What the user says of it; the rest is assumed, and listed in the reading.
        doubtful: Read also what the tensors alone do not settle, for a caller that compares it with a picture.

    Raises:
        CheckpointError: Unreadable, holding code, none or several generators, one of another architecture, or one
            that the tensors alone do not settle.
    """
    kind = kind_of(path)
    loaded = _read_safetensors(path) if kind == "safetensors" else _read_torch(path)
    check_sizes(all_tensors(loaded, str(path)), path)
    try:
        state = pick_state(loaded, entry, str(path))
    except (RuntimeError, TypeError) as error:  # odd tensors where weights are folded
        raise CheckpointError(f"{path} holds tensors that cannot be read: {error}", hint=_ALONE) from error
    check_kinds(state.items(), path)
    try:
        reading = read_state(state, said=said, source=str(path), ordered=kind != "safetensors")
    except CheckpointError as error:
        if entry is None and (own := own_entry(state)):
            hint = f"it holds other tensors beside {own}: if these are another network's, --entry {own} leaves them out"
            raise CheckpointError(error.message, hint=f"{hint}; {error.hint}") from error
        raise
    if reading.doubts and not doubtful:
        raise reading.doubts[0]
    return Checkpoint(generator=generator_from(reading.recipe, reading.state, str(path)), reading=reading)


def generator_from(recipe: Recipe, state: State, source: str) -> Generator:
    """A generator of this recipe with these weights, in float32 on the CPU, in eval mode.

    Args:
        recipe: Its architecture.
        state: Tensors by the names of `Generator`.
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
            hint=READABLE,
        ) from error
    return generator.eval().requires_grad_(requires_grad=False)


def as_state(weights: Mapping[str, NDArray[np.float32]]) -> State:
    """Arrays as a state dict, sharing their memory."""
    return {name: torch.from_numpy(values) for name, values in weights.items()}


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError  # only such files need the package; engines are loaded without it
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}", hint="it should be a safetensors file") from error


def _read_torch(path: Path) -> Any:
    check_archive(path)
    try:
        with warnings.catch_warnings():
            # It remarks on the pickle protocol of files that it then refuses or reads.
            warnings.simplefilter("ignore", UserWarning)
            # The open file: given a name, torch goes by its ending.
            with torch.serialization.safe_globals([*inert_globals()]), open_plain(path) as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _NAMED.search(str(error))
        what = f"holds more than weights, {named[1]}" if named else "is damaged or holds more than weights"
        raise CheckpointError(f"{path} {what}, perhaps code, and was not run", hint=_ALONE) from error
    except Exception as error:  # what torch raises on a damaged file is anything, an AssertionError included
        raise CheckpointError(
            f"cannot read {path}: {str(error).splitlines()[0] if str(error) else 'it ends too early'}",
            hint="a .safetensors, .pth or .pt file with a state dict is expected",
        ) from error
