"""Generators that others could have trained, with what their own networks make of a picture: read right, or refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augengine.chain.translate import normalise, quantise
from augengine.engines.onnx_types import read_model
from augengine.errors import WeightsError
from augengine.generator import read_checkpoint, run_generator
from augengine.importing import Imported
from augengine.importing.export import run_onnx
from augengine.weights.cards import DIRECTIONS
from tests.support.imports import bring_in, call, call_import, refused
from tests.support.places import SHARED_CASES

FILES = SHARED_CASES / "import" / "files"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not FILES.is_dir(), reason="the shared cases are not beside the checkout"),
]


def picture(name: str) -> np.ndarray:
    return np.asarray(Image.open(FILES / name).convert("RGB"))


def off(y_nchw: np.ndarray, name: str) -> float:
    """Mean difference from the right answer, in grey levels."""
    return float(np.abs(quantise(y_nchw)[0].astype(float) - picture(f"{name}.out.png")).mean())


def stored(imported: Imported) -> np.ndarray:
    return run_onnx(read_model(imported.file), normalise([picture("in.png")]))


def pictures(name: str) -> tuple[Path, Path]:
    return FILES / "in.png", FILES / f"{name}.out.png"


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("plain", "no ReLU after each addition"),
        ("affine", "no ReLU after each addition"),
        ("affine_relu", "a ReLU after each addition"),
        ("leaky", "a LeakyReLU(0.2)"),
        ("sigmoid", "a sigmoid at the end, its 0 as grey"),
        ("no_tanh", "no tanh at the end"),
        ("groupnorm", "GroupNorm(4)"),
        ("gain", "x + 0.1 block(x)"),
        ("align", "bilinear upsampling with align_corners"),
        ("tracking", "the running statistics of its norms"),
    ],
)
def test_an_example_finds_the_reading_and_it_is_stored_right(name: str, reading: str, tmp_path: Path) -> None:
    imported = bring_in(FILES / f"{name}.pth", tmp_path, example=pictures(name))
    assert reading in imported.found
    assert imported.fit is not None
    assert (imported.fit.alike, imported.warnings, imported.assumed) == ((), (), ())
    assert off(stored(imported), name) == pytest.approx(imported.fit.error, abs=0.01)
    assert imported.fit.error < 0.5


def test_an_example_that_no_reading_gives_is_refused_with_the_difference(tmp_path: Path) -> None:
    for checkpoint, example in (("avgpool.pth", "avgpool"), ("plain.pth", "avgpool"), ("default.onnx", "leaky")):
        said = ("--example", *pictures(example))
        refused(call_import(FILES / checkpoint, tmp_path / "w", "to-reference", *said), "grey levels in the mean")
    assert not (tmp_path / "w").exists()


def test_a_pooling_that_the_numbers_show_is_refused(tmp_path: Path) -> None:
    refused(call_import(FILES / "avgpool.pth", tmp_path / "w", "to-reference"), "model.4 and model.8 stand 4 apart")


def test_norms_with_scales_need_a_recipe(tmp_path: Path) -> None:
    for name, recipe in (("affine", "zhu2017"), ("affine_relu", "icube")):
        result = call_import(FILES / f"{name}.pth", tmp_path / name, "to-reference")
        refused(result, "whether a ReLU follows each addition")
        assert "--recipe zhu2017" in result.stderr
        assert "--recipe icube" in result.stderr
        assert off(stored(bring_in(FILES / f"{name}.pth", tmp_path / name, recipe=recipe)), name) < 0.5


def test_what_leaves_no_trace_is_listed(tmp_path: Path) -> None:
    result = call_import(FILES / "align.pth", tmp_path, "to-reference", "--upsampling", "bilinear", "--mpp", 0.5)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("assumed")]
    words = ("instance norm", "ReLU", "tanh", "[-1, 1]", "dilation", "x + block(x)", "padded by reflection", "zeros")
    assert not [word for word in (*words, "bilinear", "align_corners", "--recipe") if word not in line]
    assert "the cost of rounding to float16" in result.stdout
    assert "parity" not in result.stdout


@pytest.mark.parametrize("name", ["spectral.pth", "spectral_new.pth", "averaged.pth", "numpy_scalar.ckpt"])
def test_weights_in_parts_and_values_beside_them_are_read(name: str) -> None:
    generator = read_checkpoint(FILES / name).generator
    answer = name.partition(".")[0] if name.endswith(".pth") else "plain"
    assert off(run_generator(generator, normalise([picture("in.png")])), answer) < 0.01


@pytest.mark.parametrize("name", ["default", "eps1e-8", "clip1e9", "dropout", "unet4", "channels_last"])
def test_graphs_are_read_right(name: str, tmp_path: Path) -> None:
    answer = "plain" if name == "channels_last" else name
    imported = bring_in(FILES / f"{name}.onnx", tmp_path, example=pictures(answer))
    assert off(stored(imported), answer) < 0.5
    assert imported.card.multiple == (16 if name == "unet4" else 4)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("baked.onnx", "has that size built in"),
        ("half_inside.onnx", "computes in float16 inside"),
        ("script.pt", "TorchScript"),
    ],
)
def test_what_is_refused_is_named(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        bring_in(FILES / name, tmp_path / "w")
    assert "export" in caught.value.hint
    assert not (tmp_path / "w").exists()


def variants(folder: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(folder / "cd68-000000.tar") as shard:
        files = {member.name: shard.extractfile(member) for member in shard if member.name.endswith(".png")}
        return {name: Image.open(io.BytesIO(file.read())).size for name, file in files.items() if file is not None}


@pytest.mark.parametrize(
    ("names", "source", "size", "count"),
    [
        (("unet4", "unet4_back"), "odd250", (250, 250), 1),
        (("eps1e-8", "eps1e-8"), "glass", (64, 64), 2),
        (("clip1e9", "clip1e9"), "glass", (64, 64), 2),
    ],
)
def test_such_pairs_augment(
    names: tuple[str, str], source: str, size: tuple[int, int], count: int, tmp_path: Path
) -> None:
    weights = tmp_path / "w"
    for direction, name in zip(DIRECTIONS, names, strict=True):
        bring_in(FILES / f"{name}.onnx", weights, direction, force=True)
    said = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--in", FILES / source, "--weights", weights)
    result = call("augment", *said, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert list(variants(tmp_path / "out").values()) == [size] * count
