"""Checkpoint files to generators, with weights only: nothing in a file is ever run."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augengine.errors import CheckpointError
from augengine.generator.entries import State, pick_state
from augengine.generator.layers import READABLE
from augengine.generator.layout import Reading, read_state
from augengine.generator.network import Generator
from augengine.weights.recipe import Padding, Recipe, RecipeName, Upsampling

_TENSORFLOW = (".h5", ".hdf5", ".keras", ".pb", ".tflite", ".index")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


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
    return read_checkpoint(path, recipe=recipe).generator


def read_checkpoint(
    path: Path,
    *,
    entry: str | None = None,
    recipe: RecipeName | None = None,
    upsampling: Upsampling | None = None,
    padding: Padding | None = None,
) -> Checkpoint:
    """Read a generator from ``.safetensors`` or from ``.pth`` / ``.pt`` / ``.ckpt`` (zip or legacy), weights only.

    Width, blocks, norms and the kind of upsampling follow from the tensors' shapes; names only give the order.

    Args:
        path: The file.
        entry: Which of several generators, as ``netG_A``.
        recipe: ``icube`` has a ReLU after the residual additions, which no tensor shows; by default icube for
            affine norms, else zhu2017.
        upsampling: Which interpolation, where it is one; by default nearest.
        padding: Padding of the residual blocks, where the names do not tell.

    Raises:
        CheckpointError: Unreadable, holding code, none or several generators, or one of another architecture.
    """
    state = pick_state(_read(path), entry, str(path))
    reading = read_state(state, name=recipe, upsampling=upsampling, padding=padding, source=str(path))
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


def _read(path: Path) -> Any:
    if path.is_dir() or path.suffix.lower() in _TENSORFLOW or _is_hdf5(path):
        raise CheckpointError(
            f"{path} is no torch checkpoint, but a {'folder' if path.is_dir() else 'TensorFlow or Keras file'}",
            hint="export a TensorFlow model to ONNX where it was trained: tf2onnx.convert.from_keras(model, "
            "inputs_as_nchw=[...], outputs_as_nchw=[...]), its custom layers loaded; then import the .onnx",
        )
    return _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_torch(path)


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except OSError:
        return False  # whoever reads it next says why


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError  # only such files need the package; engines are loaded without it
    from safetensors.torch import load_file

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
