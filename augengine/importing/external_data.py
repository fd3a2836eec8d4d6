"""Weights that an ONNX file keeps in files beside it, as torch's default export does: read, within its folder alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from augengine.errors import CheckpointError
from augengine.storage import open_plain

MAX_BYTES = 1 << 31
"""Weights in other files, taken together; an ONNX file itself cannot hold more."""

_HINT = (
    "copy the data file beside the .onnx under the name it had, or export with the weights inside: "
    "torch.onnx.export(..., external_data=False)"
)


def read_external_data(model: ModelProto, path: Path) -> None:
    """Put the weights that lie in other files of the same folder into the model.

    Args:
        model: As loaded, without its external data.
        path: The ONNX file.

    Raises:
        CheckpointError: A file that is missing, too short or outside the folder, or more than `MAX_BYTES`.
    """
    outside = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    if sum(_size(tensor, path) for tensor in outside) > MAX_BYTES:
        raise CheckpointError(f"{path} keeps more than {MAX_BYTES >> 30} GB of weights in other files", hint=_HINT)
    for tensor in outside:
        tensor.raw_data = _read(tensor, path)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _size(tensor: TensorProto, path: Path) -> int:
    """Bytes that the shape and the type of a tensor ask for."""
    try:
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError as error:
        raise CheckpointError(f"{path}: {tensor.name} in another file is of no known type", hint=_HINT) from error
    if kind.hasobject:
        raise CheckpointError(f"{path}: {tensor.name} in another file is no number but {kind}", hint=_HINT)
    if any(side < 0 for side in tensor.dims):
        raise CheckpointError(f"{path}: {tensor.name} in another file has the shape {tuple(tensor.dims)}", hint=_HINT)
    size: int = math.prod(tensor.dims) * kind.itemsize
    return size


def _read(tensor: TensorProto, path: Path) -> bytes:
    said = {entry.key: entry.value for entry in tensor.external_data}
    file = _beside(path, said.get("location", ""))
    size, offset = _size(tensor, path), _number(said, "offset", 0, path)
    if _number(said, "length", size, path) != size:
        raise CheckpointError(f"{path}: {tensor.name} needs {size} bytes, {file.name} is said to hold another number")
    try:
        # Read asks for the memory first, however short the file is.
        if file.stat().st_size < offset + size:
            raise CheckpointError(f"{file} ends before the weights of {path.name} do", hint="copy it again, whole")
        with open_plain(file) as data:
            data.seek(offset)
            return data.read(size)
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", hint=_HINT) from error


def _number(said: Mapping[str, str], key: str, default: int, path: Path) -> int:
    text = said.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise CheckpointError(f"{path} names a place in another file by the {key} {text[:20]!r}", hint=_HINT)
    return int(text)


def _beside(path: Path, location: str) -> Path:
    """A data file in the folder of the ONNX file, links followed; no other file is opened."""
    folder = path.parent.resolve()
    file = (folder / location).resolve() if location and "\0" not in location else folder
    if not file.is_relative_to(folder) or file == folder:
        raise CheckpointError(f"{path} keeps its weights in other files outside its folder: {location!r}", hint=_HINT)
    if not file.is_file():
        raise CheckpointError(f"{path} keeps its weights in {location}, which is not there", hint=_HINT)
    return file
