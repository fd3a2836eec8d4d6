"""OpenVINO keeps the contract, and its bits do not depend on its threads."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.engines._openvino import MAX_IMAGES, OpenVinoBackend
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.base import Backend, Engine, EngineSpec, Manifest
from augengine.errors import EngineError
from augengine.spec import Precision
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from tests.support.engine_contract import HEIGHT, WIDTH, EngineContract, draw_images
from tests.support.places import ROOT


class OpenVinoContract(EngineContract):
    @classmethod
    def make_backend(cls) -> Backend:
        return OpenVinoBackend()

    def test_the_bits_do_not_depend_on_the_threads(
        self, backend: Backend, folder: Path, manifest: Manifest, engine: Engine
    ) -> None:
        x = draw_images(5)
        expected = self.run(engine, x)
        for threads in (1, 3):
            other = backend.load(folder, manifest, threads=threads)
            np.testing.assert_array_equal(self.run(other, x), expected)
            other.close()

    def test_it_takes_many_images_a_call(self, engine: Engine) -> None:
        assert engine.batch == MAX_IMAGES
        x = draw_images(MAX_IMAGES)
        np.testing.assert_array_equal(self.run(engine, x)[-1:], self.run(engine, x[-1:]))

    def test_a_read_only_input_is_fine_and_a_read_only_output_is_not(self, engine: Engine) -> None:
        x = draw_images(1)
        expected = self.run(engine, x)
        x.flags.writeable = False
        np.testing.assert_array_equal(self.run(engine, x), expected)
        with pytest.raises(EngineError, match="writable"):
            engine(x, x)


class TestOpenVinoFloat32(OpenVinoContract):
    precision = "float32"


class TestOpenVinoBfloat16(OpenVinoContract):
    precision = "bfloat16"


class TestOpenVinoInt8(OpenVinoContract):
    precision = "int8"


@pytest.mark.parametrize("precision", [*OpenVinoBackend().precisions(), "int8"])
def test_the_bits_of_a_trained_generator_do_not_depend_on_threads_or_batch(
    precision: Precision, tmp_path: Path
) -> None:
    backend, side = OpenVinoBackend(), 128
    if precision == "int8" and (reason := backend.why_no_int8()):
        pytest.skip(reason)
    onnx_file = find_weights("pas", "cd68", weight_roots()).to_reference
    x = np.random.default_rng(0).uniform(-1, 1, (3, 3, side, side)).astype(np.float32)
    form = measure_form(onnx_file, x, backend.precisions()[0]) if precision == "int8" else None
    spec = EngineSpec(precision=precision, height=side, width=side, int8=form)
    manifest = Manifest(weights_digest="", backend="openvino", backend_version="", device_class="", spec=spec)
    backend.build(onnx_file, spec, tmp_path)
    one, two = (backend.load(tmp_path, manifest, threads=threads) for threads in (1, 2))
    whole, rows = np.empty_like(x), np.empty_like(x)
    two(x, whole)
    for index in range(len(x)):
        one(x[index : index + 1], rows[index : index + 1])
    np.testing.assert_array_equal(rows, whole)


def test_other_precisions_and_batches_are_refused(tmp_path: Path) -> None:
    spec = EngineSpec(precision="float32", height=HEIGHT, width=WIDTH)
    for bad in (replace(spec, precision="float16"), replace(spec, batch=2)):
        with pytest.raises(EngineError, match=rf"{bad.precision}, batch {bad.batch}"):
            OpenVinoBackend().build(tmp_path / "unread.onnx", bad, tmp_path)


def test_a_worker_pinned_to_one_core_gets_one_stream(tmp_path: Path) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("CPU affinity is a Linux thing")
    code = f"""
import os
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
from pathlib import Path
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.base import EngineSpec, Manifest
from tests.support.small_generator import write_small_generator
folder, backend = Path({str(tmp_path)!r}), OpenVinoBackend()
spec = EngineSpec(precision="float32", height={HEIGHT}, width={WIDTH})
manifest = Manifest(weights_digest="0", backend="openvino", backend_version="", device_class="", spec=spec)
backend.build(write_small_generator(folder / "small.onnx"), spec, folder)
print(len(backend.load(folder, manifest, threads=2)._queue))
"""
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1"], done.stderr


def test_the_package_is_not_imported_before_it_is_used() -> None:
    code = """
import sys
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from augengine.engines._openvino import OpenVinoBackend
backend = OpenVinoBackend()
assert backend.why_unavailable() == "" and backend.version() and backend.device_class()
print("openvino" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
