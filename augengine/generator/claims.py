"""What a checkpoint claims against what its file holds: nothing is unpacked or spread out before that is known."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, strided

from augengine.errors import CheckpointError

MAX_UNPACKED = 1.01
"""Largest ratio of what an archive unpacks to and its own size: torch stores tensors as they are."""

_SAVE = "save the state dict anew where it was trained: torch.save(netG.state_dict(), FILE)"


def check_archive(path: Path) -> None:
    """Refuse a zipped checkpoint that unpacks to more than it is; a file that is no zip passes.

    Raises:
        CheckpointError: Its members are compressed, or overlap each other.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is a damaged archive: {error}", hint=_SAVE) from error
    if unpacked > MAX_UNPACKED * path.stat().st_size:
        raise CheckpointError(
            f"{path} has {path.stat().st_size} bytes and unpacks to {unpacked}: torch stores tensors as they are",
            hint=_SAVE,
        )


def check_sizes(tensors: Iterable[tuple[str, Tensor]], path: Path) -> None:
    """Refuse a file whose tensors have far more numbers than it can hold.

    Args:
        tensors: Names and tensors of the whole file, none of them copied.
        path: The file.

    Raises:
        CheckpointError: They repeat or share what is stored of them, more than `MAX_TIMES` over.
    """
    total, size = 0, path.stat().st_size
    for name, tensor in tensors:
        total += tensor.numel() * tensor.element_size()
        if total > MAX_TIMES * size + _ALWAYS:
            said = f"its tensors, up to {name}, have more than {MAX_TIMES} times the {size} bytes of the file"
            hint = f"{_SAVE}, each tensor with .contiguous()"
            raise CheckpointError(f"{path}: {said}: they repeat what is stored", hint=hint)


def check_kinds(tensors: Iterable[tuple[str, Tensor]], path: Path) -> None:
    """Refuse tensors of a generator that are no plain ones.

    Raises:
        CheckpointError: One is sparse, quantised, empty, complex or of 8 bits.
    """
    for name, tensor in tensors:
        if kind := _odd_kind(tensor):
            raise CheckpointError(f"{path}: {name} is a {kind} tensor", hint="save its dense values in float32")


def _odd_kind(tensor: Tensor) -> str:
    """Why a tensor is not read, in a word or two; empty if it is a plain one."""
    if tensor.layout is not strided:
        return "sparse"
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_meta:
        return "meta (empty)"
    if tensor.is_complex():
        return "complex"
    return "8-bit floating-point" if tensor.is_floating_point() and tensor.element_size() == 1 else ""


MAX_TIMES = 8
"""How often a number may be a part of tensors: a generator, its averages and tied weights may share one storage."""

_ALWAYS = 64 << 20  # bytes that do no harm: a loss that is spread over a picture, an optimizer's step
