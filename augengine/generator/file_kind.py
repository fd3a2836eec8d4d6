"""What a file of weights is, by its first bytes: its ending may lie."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

from augengine.errors import CheckpointError
from augengine.storage import open_plain

FileKind = Literal["torch", "safetensors", "onnx", "unknown"]

_HEAD = 512
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.")
_TENSORFLOW_DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_TENSORFLOW = (".h5", ".hdf5", ".keras", ".pb", ".tflite", ".index")
_BY_ENDING: dict[str, FileKind] = {".onnx": "onnx", ".safetensors": "safetensors"}
# An ONNX file begins with its version, a small number, and then the text or the graph of another field.
_ONNX_SECOND = b"\x12\x1a\x22\x2a\x32\x3a\x42\x72"

_EXPORT = (
    "export it as ONNX where its code is: torch.onnx.export(net.eval(), x, FILE, external_data=False, "
    "dynamic_shapes=({0: 'n', 2: 'h', 3: 'w'},)); or save torch.save(net.state_dict(), FILE)"
)


def kind_of(path: Path) -> FileKind:
    """What a file holds, by its first bytes, and by its ending where they do not tell.

    Raises:
        CheckpointError: A kind of file that is not read, with the way out.
    """
    head = _head(path)
    if reason := _why_refused(path, head):
        raise CheckpointError(f"{path} {reason[0]}", hint=reason[1])
    if head.startswith(_ZIP) or head.startswith(_PICKLE):
        return "torch"
    if head[8:10] in (b'{"', b"{}"):
        return "safetensors"
    if head[:1] == b"\x08" and head[2:3] and head[2] in _ONNX_SECOND:
        return "onnx"
    return _BY_ENDING.get(path.suffix.lower(), "unknown")


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    try:
        with open_plain(path) as file:
            return file.read(_HEAD)
    except OSError:
        return b""  # whoever reads it next says why


def _why_refused(path: Path, head: bytes) -> tuple[str, str] | None:
    """The rest of a sentence that begins with the file, and the next step; None if the file may be read."""
    members = _members(path) if head.startswith(_ZIP) else []
    keras = any(name.endswith(".weights.h5") for name in members) or head.startswith(_HDF5)
    if path.is_dir() or path.suffix.lower() in _TENSORFLOW or _TENSORFLOW_DATA.search(path.name) or keras:
        return (
            f"is no torch checkpoint, but a {'folder' if path.is_dir() else 'TensorFlow or Keras file'}",
            "export a TensorFlow model to ONNX where it was trained: tf2onnx.convert.from_keras(model, opset=17, "
            "output_path=FILE), its custom layers loaded; then import the .onnx",
        )
    if b'"weight_map"' in head or path.name.endswith(".index.json") or _SHARD.search(path.name):
        return (
            "is a part, or the index, of weights that lie in several files",
            "load them where its code is, and save one file: safetensors.torch.save_model(net, FILE); or export ONNX",
        )
    if any(name.endswith("constants.pkl") or "/code/" in name for name in members):
        return "is TorchScript, which holds code", _EXPORT
    if any(name.rpartition("/")[2] in ("serialized_exported_program.json", "archive_format") for name in members):
        return "is a program of torch.export (.pt2)", _EXPORT
    return None


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return []  # damaged: whoever reads it next says so
