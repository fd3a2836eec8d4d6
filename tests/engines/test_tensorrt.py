"""TensorRT: plans are built without a GPU by TensorRT for RTX; with one, the contract of every engine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from augengine.engines._openvino_peaks import measure_form
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines.base import Array, Backend, Engine, EngineSpec, Manifest
from augengine.engines.driver import compute_capability, why_no_driver
from augengine.engines.trt_packages import find_package, why_not
from augengine.errors import BackendUnavailable, EngineError
from augengine.spec import Precision
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from tests.support.engine_contract import EngineContract, Images, draw_images
from tests.support.places import ROOT
from tests.support.small_generator import write_small_generator


def why_no_rtx() -> str:
    """Empty if TensorRT for RTX builds here: anywhere without a GPU, else for those that it lists."""
    if find_spec("tensorrt_rtx") is None:
        return "TensorRT for RTX is not installed"
    return "" if why_no_driver() else why_not(find_package("tensorrt_rtx"), compute_capability())


needs_rtx = pytest.mark.skipif(bool(why_no_rtx()), reason=why_no_rtx() or "it builds here")
without_driver = pytest.mark.skipif(not why_no_driver(), reason="this machine has an NVIDIA driver")


def spec_of(precision: Precision) -> EngineSpec:
    return EngineSpec(precision=precision, height=32, width=48, batch=8)


@needs_rtx
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_plan_is_built_and_named_by_its_bytes(precision: Precision, tmp_path: Path) -> None:
    onnx_file = write_small_generator(tmp_path / "small.onnx")
    (folder := tmp_path / "engine").mkdir()
    digest = TensorRtBackend().build(onnx_file, spec_of(precision), folder)
    (plan,) = folder.iterdir()
    assert digest == hashlib.blake2b(plan.read_bytes(), digest_size=16).hexdigest()


@needs_rtx
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_plan_is_built_of_a_trained_generator(precision: Precision, tmp_path: Path) -> None:
    onnx_file = find_weights("pas", "cd68", weight_roots()).from_reference
    spec = EngineSpec(precision=precision, height=256, width=256, batch=TensorRtBackend().static_batch(256, 256))
    assert TensorRtBackend().build(onnx_file, spec, tmp_path)
    (plan,) = tmp_path.iterdir()
    # 1.97 million weights of 4 or 2 bytes, and kernels.
    assert plan.stat().st_size > 1.9e6 * (4 if precision == "float32" else 2)


@needs_rtx
def test_a_plan_is_built_in_int8(tmp_path: Path) -> None:
    onnx_file = write_small_generator(tmp_path / "small.onnx")
    form = measure_form(onnx_file, draw_images(2), "float16")
    spec = EngineSpec(precision="int8", height=32, width=48, batch=8, int8=form)
    (folder := tmp_path / "engine").mkdir()
    assert TensorRtBackend().build(onnx_file, spec, folder)


@needs_rtx
def test_the_two_precisions_give_different_plans(tmp_path: Path) -> None:
    onnx_file = write_small_generator(tmp_path / "small.onnx")
    digests = {TensorRtBackend().build(onnx_file, spec_of(p), tmp_path) for p in TensorRtBackend().precisions()}
    assert len(digests) == 2


@needs_rtx
def test_bfloat16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="bfloat16"):
        TensorRtBackend().build(tmp_path / "unread.onnx", spec_of("bfloat16"), tmp_path)


@needs_rtx
def test_a_graph_that_tensorrt_cannot_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    # Valid ONNX, yet TensorRT has no operator for it.
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in ("x", "y")]
    nodes = [
        helper.make_node("Bernoulli", ["x"], ["b"], dtype=TensorProto.FLOAT),
        helper.make_node("Identity", ["b"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "random", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "random.onnx")
    with pytest.raises(EngineError, match="Bernoulli"):
        TensorRtBackend().build(tmp_path / "random.onnx", spec_of("float32"), tmp_path)


@needs_rtx
@without_driver
def test_without_a_driver_it_says_so_and_nothing_crashes(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from augengine.engines._openvino_peaks import measure_form
from augengine.engines._tensorrt import TensorRtBackend
from augengine.engines.base import EngineSpec, Manifest
from augengine.errors import BackendUnavailable
from tests.support.small_generator import write_small_generator
backend, folder = TensorRtBackend(), Path({str(tmp_path)!r})
spec = EngineSpec(precision="float32", height=32, width=48, batch=8)
digest = backend.build(write_small_generator(folder / "small.onnx"), spec, folder)
manifest = Manifest(weights_digest="0", backend="tensorrt", backend_version=backend.version(),
                    device_class=backend.device_class(), spec=spec, plan_digest=digest)
try:
    backend.load(folder, manifest, threads=1)
except BackendUnavailable as error:
    print(error, "|", manifest.device_class)
"""
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "NVIDIA driver" in done.stdout
    assert "cuda-any" in done.stdout


@without_driver
def test_without_a_driver_it_is_unavailable_with_a_reason() -> None:
    assert TensorRtBackend().why_unavailable()
    assert "NVIDIA driver" in why_no_driver()


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    code = """
import sys
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from augengine.engines._openvino_peaks import measure_form
from augengine.engines._tensorrt import TensorRtBackend
# From here on nothing installed is found.
sys.path[:] = [p for p in sys.path if "site-packages" not in p]
print(TensorRtBackend().why_unavailable())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'augengine[rtx]'" in done.stdout, done.stderr


def test_images_up_to_256_px_run_in_batches_of_8_and_larger_ones_of_4() -> None:
    backend = TensorRtBackend()
    assert [backend.static_batch(side, side) for side in (64, 256, 260, 512)] == [8, 8, 4, 4]


@pytest.mark.gpu
class TensorRtContract(EngineContract):
    @classmethod
    def make_backend(cls) -> Backend:
        return TensorRtBackend()

    @classmethod
    def to_device(cls, array: Images) -> Array:
        import cupy

        return cupy.asarray(array)

    @classmethod
    def to_host(cls, array: Array) -> Images:
        import cupy

        host: Images = cupy.asnumpy(array)
        return host

    def test_it_runs_on_the_callers_stream(self, engine: Engine) -> None:
        import cupy

        x = draw_images(engine.batch)
        expected = self.run(engine, x)
        stream: Any = cupy.cuda.Stream(non_blocking=True)
        with stream:
            device = cupy.asarray(x)
            out = cupy.empty_like(device)
            engine(device, out, stream=stream.ptr)
        stream.synchronize()
        np.testing.assert_array_equal(cupy.asnumpy(out), expected)

    def test_an_array_in_host_memory_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineError, match="device memory"):
            engine(draw_images(1), draw_images(1))

    def test_a_plan_that_is_damaged_is_refused(self, backend: Backend, manifest: Manifest, tmp_path: Path) -> None:
        (tmp_path / "engine.plan").write_bytes(b"no plan")
        with pytest.raises(EngineError, match="plan"):
            backend.load(tmp_path, manifest, threads=1)


class TestTensorRtFloat32(TensorRtContract):
    precision = "float32"


class TestTensorRtFloat16(TensorRtContract):
    precision = "float16"


@without_driver
def test_tensorrt_proper_does_not_build_without_a_gpu(tmp_path: Path) -> None:
    if find_spec("tensorrt") is None:
        pytest.skip("the package tensorrt is not installed")
    with pytest.raises(BackendUnavailable):
        TensorRtBackend().build(write_small_generator(tmp_path / "x.onnx"), spec_of("float32"), tmp_path)
