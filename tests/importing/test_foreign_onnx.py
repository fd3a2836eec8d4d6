"""`augengine import` of ONNX of anybody's: any architecture that translates images, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from augengine.engines._torch import TorchBackend
from augengine.engines.base import EngineSpec
from augengine.engines.onnx_types import read_model
from augengine.errors import WeightsError
from augengine.importing.export import run_onnx
from augengine.shards.verify import verify
from augengine.weights.cards import DIRECTIONS
from tests.support.foreign_generators import Numbered, draw_weights
from tests.support.imports import bring_in, call, call_import, refused
from tests.support.pictures import tissue, write_folder

GREY_LEVEL = 1 / 127.5
SIDE = 64

pytestmark = pytest.mark.e2e


def foreign_onnx(
    file: Path, network: nn.Module, *, names: tuple[str, str] = ("input", "out"), static: bool = False
) -> Path:
    """An export as anybody makes it: names of its own, the sides open or fixed."""
    dynamic = torch.export.Dim.DYNAMIC
    sides: Any = None if static else ({0: dynamic, 2: dynamic, 3: dynamic},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the exporter's own making
        program = torch.onnx.export(
            network.eval(), (torch.zeros(2, 3, 32, 24),), dynamo=True, verbose=False, opset_version=18,
            input_names=[names[0]], output_names=[names[1]], dynamic_shapes=sides,
        )  # fmt: skip
    assert program is not None
    onnx.save(program.model_proto, file)
    return file


def unlike_ours() -> nn.Module:
    """Batch norm, another width of kernel, no residual blocks."""
    layers = (nn.Conv2d(3, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1), nn.Tanh())
    return draw_weights(nn.Sequential(*layers))


@pytest.mark.parametrize(("names", "static"), [(("input", "out"), True), (("y", "x"), False), (("x", "y"), False)])
def test_an_onnx_of_another_architecture_is_stored(names: tuple[str, str], static: bool, tmp_path: Path) -> None:
    network = unlike_ours()
    file = foreign_onnx(tmp_path / "G.onnx", network, names=names, static=static)
    imported = bring_in(file, tmp_path / "weights")
    assert (imported.card.recipe, imported.assumed) == ({}, ())
    assert "an architecture of its own" in imported.found
    x = (
        np.stack([tissue(SIDE, SIDE, seed).transpose(2, 0, 1) for seed in range(3)]).astype(np.float32)
        / np.float32(127.5)
        - 1
    )
    expected = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_onnx(read_model(imported.file), x), expected, atol=GREY_LEVEL)


def test_the_torch_engine_says_that_it_cannot_rebuild_an_unknown_architecture(tmp_path: Path) -> None:
    file = bring_in(foreign_onnx(tmp_path / "G.onnx", unlike_ours()), tmp_path / "weights").file
    with pytest.raises(WeightsError, match="no recipe of ours") as caught:
        TorchBackend().build(file, EngineSpec(precision="float32", height=SIDE, width=SIDE), tmp_path)
    assert "--backend openvino" in caught.value.hint


def test_an_imported_onnx_pair_augments(tmp_path: Path) -> None:
    root, out = tmp_path / "weights", tmp_path / "out"
    for seed, direction in enumerate(DIRECTIONS):
        network = draw_weights(Numbered(up="nearest"), seed)
        bring_in(foreign_onnx(tmp_path / "G.onnx", network), root, direction, force=True)
    source = write_folder(tmp_path / "in", ["a", "b"])
    said = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--in", source, "--out", out, "--weights", root)
    assert call("augment", "--force", *said).exit_code == 0
    assert verify(out).ok


class Scaled(nn.Module):
    """Gives 0 ... 255, as some do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + 1) * 127.5


class Doubled(nn.Module):
    """Twice the size."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = nn.functional.interpolate(x, scale_factor=2.0)
        return y


class Together(nn.Module):
    """Looks at its neighbours, as batch norm in training mode does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x - x.mean(dim=0, keepdim=True))


class Flat(nn.Module):
    """Fixed to the size that it was exported at."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x.reshape(2, 3, 32 * 24)).reshape(2, 3, 32, 24)


@pytest.mark.parametrize(
    ("make", "static", "reason"),
    [
        (Scaled, False, "values from"),
        (Doubled, False, "equal shapes"),
        (Together, False, "neighbours"),
        (Flat, True, "every size"),
    ],
)
def test_an_onnx_that_translates_no_images_is_refused(
    make: Callable[[], nn.Module], static: bool, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        bring_in(foreign_onnx(tmp_path / "G.onnx", make(), static=static), tmp_path / "weights")
    assert "export it" in caught.value.hint
    assert not (tmp_path / "weights").exists()


def bare_onnx(
    *, kind: int = TensorProto.FLOAT, shape: Any = ("n", 3, "h", "w"), more: bool = False, **model: Any
) -> Any:
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("a", "b", "c")]
    node = helper.make_node(model.pop("operator", "Tanh"), ["a"], ["b"], domain=model.pop("domain", ""))
    graph = helper.make_graph([node], "g", [ends[0], *([ends[2]] if more else [])], [ends[1]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", model.pop("opset", 18))], ir_version=10)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": TensorProto.FLOAT16}, "FLOAT16, expected FLOAT"),
        ({"kind": TensorProto.UINT8, "operator": "Identity"}, "UINT8"),
        ({"shape": ("n", 1, "h", 4)}, r"\('n', 1, 'h', 4\), expected \(N, 3, H, W\)"),
        ({"shape": ("n", 1, "h", "w")}, "expected"),
        ({"shape": (3, "h", "w")}, "expected"),
        ({"more": True}, "inputs and outputs"),
        ({"opset": 9}, "opset 9"),
        ({"domain": "com.microsoft"}, "com.microsoft:Tanh"),
        ({"operator": "Tangent"}, "not valid ONNX"),
    ],
)
def test_an_onnx_that_breaks_the_contract_is_refused(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    onnx.save(bare_onnx(**options), tmp_path / "G.onnx")
    with pytest.raises(WeightsError, match=reason) as caught:
        bring_in(tmp_path / "G.onnx", tmp_path / "weights")
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"garbage, no protobuf"])
def test_an_onnx_that_cannot_be_read_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "G.onnx").write_bytes(content)
    refused(call_import(tmp_path / "G.onnx", tmp_path / "weights", "to-reference"), "G.onnx")


def test_what_is_for_tensors_cannot_be_said_of_an_onnx(tmp_path: Path) -> None:
    onnx.save(bare_onnx(), tmp_path / "G.onnx")
    result = call_import(tmp_path / "G.onnx", tmp_path / "weights", "to-reference", "--recipe", "icube")
    assert result.exit_code == 2
    assert "--recipe is for checkpoints of tensors" in result.stderr
