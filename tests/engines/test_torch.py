"""The reference engine keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import pytest

from augengine.engines import _torch
from augengine.engines._torch import TorchBackend
from augengine.engines.base import Array, Backend, Engine
from augengine.engines.cuda_graph import RECORDED, Pass, choose_pass
from tests.support.engine_contract import EngineContract, Images

torch = pytest.importorskip("torch", reason="torch is not installed")


class TorchContract(EngineContract):
    @classmethod
    def make_backend(cls) -> Backend:
        return TorchBackend()

    @classmethod
    def to_device(cls, array: Images) -> Array:
        return torch.from_numpy(array.copy()).cuda() if torch.cuda.is_available() else array

    @classmethod
    def to_host(cls, array: Array) -> Images:
        host: Images = array.cpu().numpy() if torch.cuda.is_available() else array
        return host


class TestTorchFloat32(TorchContract):
    precision = "float32"


@pytest.mark.gpu
class TestTorchFloat32OnAGpu(TestTorchFloat32):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def gpu(cls) -> None:
        if not torch.cuda.is_available():
            pytest.skip(f"torch {torch.__version__} sees no GPU")

    def test_it_runs_on_the_gpu(self, engine: Engine) -> None:
        assert engine.device == "cuda"
        assert getattr(engine, "how", "") == RECORDED


@pytest.mark.gpu
class TestTorchFloat16(TorchContract):
    precision = "float16"

    def test_it_is_fused_where_triton_runs(self, engine: Engine) -> None:
        assert getattr(engine, "how", "") == ("fused, " if "triton" in TorchBackend().version() else "") + RECORDED


@pytest.mark.parametrize(
    ("driver", "on_gpu", "fails"),
    [(True, True, ""), (True, True, "CompilationError: at 3:5"), (True, False, ""), (False, False, "")],
)
def test_what_fuses_the_pass_tells_engines_apart_where_torch_uses_a_gpu(
    driver: bool, on_gpu: bool, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_torch, "_why_kernels_fail", lambda: fails)
    monkeypatch.setattr(_torch, "why_no_driver", lambda: "" if driver else "no NVIDIA driver here")
    monkeypatch.setattr(_torch, "_on_gpu", lambda: on_gpu)
    monkeypatch.setattr(_torch, "fusing_version", lambda: "fused 1 by triton 3.6.0")
    own = f"torch {torch.__version__.partition('+')[0]}"
    assert TorchBackend().version().startswith(own)
    assert TorchBackend().version().endswith(", fused 1 by triton 3.6.0") == (on_gpu and not fails)


@pytest.mark.parametrize(
    ("driver", "on_gpu", "cupy", "reason"),
    [
        (True, True, False, "torch would run on the GPU, and the package cupy is not installed: pip install"),
        (True, True, True, ""),
        (True, False, False, ""),  # torch without CUDA runs on the CPU, which needs no CuPy
        (False, False, False, ""),
    ],
)
def test_on_a_gpu_torch_asks_for_cupy(
    driver: bool, on_gpu: bool, cupy: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_torch, "why_no_driver", lambda: "" if driver else "no NVIDIA driver here")
    monkeypatch.setattr(_torch, "_on_gpu", lambda: on_gpu)
    if cupy:
        monkeypatch.setattr(_torch, "why_no_cupy", lambda: "")
    elif find_spec("cupy"):
        pytest.skip("CuPy is installed")
    assert TorchBackend().why_unavailable().startswith(reason)
    assert bool(TorchBackend().why_unavailable()) == bool(reason)


def refuse(_: Pass) -> Pass:
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize(
    ("record", "how"),
    [
        (lambda eager: lambda: 7, RECORDED),
        (lambda eager: lambda: 8, "eager: recorded, it gives other bits"),
        (refuse, "eager: it cannot be recorded: operation not permitted when stream is capturing"),
    ],
)
def test_a_pass_is_replayed_only_if_it_gives_the_same_bits(record: Callable[[Pass], Pass], how: str) -> None:
    calls = []

    def eager() -> int:
        calls.append(1)
        return 7

    chosen, found = choose_pass(eager, record, lambda a, b: a == b)
    assert (chosen(), found) == (7, how)
    assert len(calls) == (1 if how == RECORDED else 2)


def test_a_pass_that_cannot_run_at_all_is_an_error() -> None:
    def fails() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        choose_pass(fails, lambda eager: eager, lambda a, b: a == b)
