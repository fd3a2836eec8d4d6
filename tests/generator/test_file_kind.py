"""A file is read by its first bytes, and what is not read is named with the way out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from augengine.engines.onnx_types import to_bytes
from augengine.errors import CheckpointError
from augengine.generator import kind_of, read_checkpoint
from tests.generator.test_load import draw_images, translates_like
from tests.support.foreign_generators import Numbered, draw_weights
from tests.support.small_generator import small_generator


def write_all(folder: Path) -> dict[str, Path]:
    """One file of each kind that is read, by kind and form."""
    state = Numbered().state_dict()
    files = {name: folder / name for name in ("torch.zip", "torch.legacy", "safetensors", "onnx")}
    torch.save(state, files["torch.zip"])
    torch.save(state, files["torch.legacy"], _use_new_zipfile_serialization=False)
    save_file(state, files["safetensors"])
    files["onnx"].write_bytes(to_bytes(small_generator()))
    return files


@pytest.mark.parametrize("ending", [".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".bin", ""])
def test_the_first_bytes_count_and_not_the_ending(ending: str, tmp_path: Path) -> None:
    for name, file in write_all(tmp_path).items():
        shutil.copy(file, tmp_path / f"G{ending}")
        assert kind_of(tmp_path / f"G{ending}") == name.partition(".")[0]


@pytest.mark.parametrize(("ending", "kind"), [(".onnx", "onnx"), (".safetensors", "safetensors"), (".pth", "unknown")])
def test_the_ending_counts_where_the_bytes_do_not_tell(ending: str, kind: str, tmp_path: Path) -> None:
    for content in (b"", b"garbage", b"<html>", b"version https://git-lfs.github.com/spec/v1"):
        (tmp_path / f"G{ending}").write_bytes(content)
        assert kind_of(tmp_path / f"G{ending}") == kind
    assert kind_of(tmp_path / f"missing{ending}") == kind


def test_a_checkpoint_named_as_another_kind_is_read(tmp_path: Path) -> None:
    network = draw_weights(Numbered())
    torch.save(network.state_dict(), tmp_path / "G.safetensors")
    save_file(network.state_dict(), tmp_path / "G.pth")
    for name in ("G.safetensors", "G.pth"):
        assert translates_like(network, read_checkpoint(tmp_path / name))


def script(file: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), draw_images()), file)  # type: ignore[no-untyped-call]


def program(file: Path) -> None:
    torch.export.save(torch.export.export(nn.Conv2d(3, 3, 1), (draw_images(),)), file)


def index(file: Path) -> None:
    file.write_text(json.dumps({"metadata": {}, "weight_map": {"model.1.weight": "model-00001-of-00002.safetensors"}}))


def shard(file: Path) -> None:
    save_file({"model.1.weight": torch.zeros(4, 3, 7, 7)}, file)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "name", "reason", "way_out"),
    [
        (script, "G.pt", "is TorchScript", "torch.onnx.export"),
        (script, "G.pth", "is TorchScript", "torch.onnx.export"),
        (program, "G.pt2", "torch.export", "torch.onnx.export"),
        (program, "G.pth", "torch.export", "torch.onnx.export"),
        (index, "model.safetensors.index.json", "in several files", "save one file"),
        (index, "G.safetensors", "in several files", "save one file"),
        (shard, "model-00001-of-00002.safetensors", "in several files", "save one file"),
    ],
)
def test_what_is_not_read_is_named_with_the_way_out(
    make: Callable[[Path], None], name: str, reason: str, way_out: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_checkpoint(tmp_path / name)
    assert way_out in caught.value.hint
    assert "weights_only" not in caught.value.message + caught.value.hint
