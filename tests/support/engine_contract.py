"""The contract of an engine and its backend: every backend's test class inherits it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from augengine.engines._openvino_peaks import measure_form
from augengine.engines.base import Array, Backend, Engine, EngineSpec, Manifest, packages_of
from augengine.errors import AugengineError, BatchTooLarge, EngineError
from augengine.importing.export import run_onnx
from augengine.spec import Precision
from tests.support.small_generator import write_small_generator

Images = NDArray[np.float32]
HEIGHT, WIDTH = 32, 48

GREY_LEVELS: Mapping[Precision, float] = {"float32": 0.0128, "float16": 2.0, "bfloat16": 8.0, "int8": 16.0}
"""Largest error against onnxruntime's float32, in grey levels of 8 bits (1 level = 2 / 255); 0.0128 is 1e-4."""


def draw_images(n: int, seed: int = 0) -> Images:
    """Uniform values in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3, HEIGHT, WIDTH)).astype(np.float32)


def reference_output(onnx_file: Path, x_nchw: Images) -> Images:
    """What onnxruntime, or where it is missing onnx's own evaluator, makes of a generator in float32."""
    return run_onnx(onnx.load(onnx_file), x_nchw)


class EngineContract:
    """What every engine promises. Subclasses name the backend and a precision."""

    precision: Precision = "float32"

    @classmethod
    def make_backend(cls) -> Backend:
        raise NotImplementedError

    @classmethod
    def to_device(cls, array: Images) -> Array:
        return array

    @classmethod
    def to_host(cls, array: Array) -> Images:
        host: Images = array
        return host

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        backend = cls.make_backend()
        if reason := backend.why_unavailable():
            pytest.skip(reason)
        if cls.precision == "int8" and (reason := backend.why_no_int8()):
            pytest.skip(reason)
        if cls.precision not in (*backend.precisions(), "int8"):
            pytest.skip(f"this machine does not compute in {cls.precision} natively")
        return backend

    @pytest.fixture(scope="class")
    @classmethod
    def onnx_file(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_small_generator(tmp_path_factory.mktemp("generator") / "small.onnx")

    @pytest.fixture(scope="class")
    @classmethod
    def manifest(cls, backend: Backend, onnx_file: Path) -> Manifest:
        return Manifest(
            weights_digest="0",
            backend=backend.name,
            backend_version=backend.version(),
            device_class=backend.device_class(),
            spec=EngineSpec(
                precision=cls.precision,
                height=HEIGHT,
                width=WIDTH,
                batch=backend.static_batch(HEIGHT, WIDTH),
                int8=measure_form(onnx_file, draw_images(4, seed=7), backend.precisions()[0])
                if cls.precision == "int8"
                else None,
            ),
        )

    @pytest.fixture(scope="class")
    @classmethod
    def folder(
        cls, backend: Backend, onnx_file: Path, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        folder = tmp_path_factory.mktemp("engine")
        backend.build(onnx_file, manifest.spec, folder)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, backend: Backend, folder: Path, manifest: Manifest) -> Iterator[Engine]:
        engine = backend.load(folder, manifest, threads=2)
        yield engine
        engine.close()

    @classmethod
    def run(cls, engine: Engine, x_nchw: Images) -> Images:
        out = cls.to_device(np.full_like(x_nchw, np.nan))
        engine(cls.to_device(x_nchw), out)
        return cls.to_host(out)

    def test_it_has_the_shape_it_was_built_for(self, engine: Engine) -> None:
        assert (engine.height, engine.width) == (HEIGHT, WIDTH)
        assert engine.batch >= 1
        assert engine.device in ("cpu", "cuda")

    def test_it_computes_what_the_float32_generator_computes(self, engine: Engine, onnx_file: Path) -> None:
        x = draw_images(1)
        error = np.abs(self.run(engine, x) - reference_output(onnx_file, x)).max() * 127.5
        assert error <= GREY_LEVELS[self.precision]

    def test_the_whole_output_is_filled_and_nothing_beside_it(self, engine: Engine) -> None:
        n = min(2, engine.batch)
        frame = self.to_device(np.full((n + 2, 3, HEIGHT, WIDTH), np.nan, dtype=np.float32))
        engine(self.to_device(draw_images(n)), frame[1 : n + 1])
        host = self.to_host(frame)
        assert np.isfinite(host[1 : n + 1]).all()
        assert np.isnan(host[[0, n + 1]]).all()

    def test_a_result_does_not_depend_on_the_number_of_images(self, engine: Engine) -> None:
        x = draw_images(min(5, engine.batch))
        whole = self.run(engine, x)
        for n in range(1, len(x)):
            np.testing.assert_array_equal(self.run(engine, x[:n]), whole[:n])

    def test_a_result_does_not_depend_on_its_neighbours_or_place(self, engine: Engine) -> None:
        n = min(4, engine.batch)
        x, others = draw_images(n), draw_images(n, seed=1)
        alone = self.run(engine, x[:1])[0]
        for place in range(n):
            others[place] = x[0]
            np.testing.assert_array_equal(self.run(engine, others)[place], alone)

    def test_a_nan_stays_in_its_image(self, engine: Engine) -> None:
        x = draw_images(min(3, engine.batch))
        clean = self.run(engine, x)
        spoilt = x.copy()
        spoilt[0] = np.nan
        np.testing.assert_array_equal(self.run(engine, spoilt)[1:], clean[1:])
        np.testing.assert_array_equal(self.run(engine, x), clean)

    def test_the_input_is_not_modified(self, engine: Engine) -> None:
        x = draw_images(1)
        device = self.to_device(x.copy())
        engine(device, self.to_device(np.empty_like(x)))
        np.testing.assert_array_equal(self.to_host(device), x)

    def test_values_beyond_the_range_are_not_clamped(self, engine: Engine, onnx_file: Path) -> None:
        x = 2 * draw_images(1)
        out = self.run(engine, x)
        assert np.abs(out - reference_output(onnx_file, x)).max() * 127.5 <= GREY_LEVELS[self.precision]
        assert np.abs(out - self.run(engine, x.clip(-1, 1))).max() * 127.5 > 2 * GREY_LEVELS[self.precision]

    def test_two_threads_may_call_it_at_once(self, engine: Engine) -> None:
        x = [draw_images(min(2, engine.batch), seed) for seed in range(4)]
        expected = [self.run(engine, images) for images in x]
        with ThreadPoolExecutor(2) as threads:
            for result, expect in zip(threads.map(lambda images: self.run(engine, images), x), expected, strict=True):
                np.testing.assert_array_equal(result, expect)

    @pytest.mark.parametrize("n", [0, None])
    def test_too_many_images_or_none_are_refused(self, engine: Engine, n: int | None) -> None:
        x = draw_images(engine.batch + 1 if n is None else n)
        with pytest.raises(BatchTooLarge, match=str(len(x))):
            self.run(engine, x)

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda x: x.astype(np.float64), id="float64"),
            pytest.param(lambda x: x[:, :, :-4].copy(), id="lower"),
            pytest.param(lambda x: x.transpose(0, 1, 3, 2).copy(), id="turned"),
            pytest.param(lambda x: x[:, :1].copy(), id="one channel"),
            pytest.param(lambda x: x[0], id="no batch axis"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused_as_input_and_as_output(
        self, engine: Engine, spoil: Callable[[Images], NDArray[Any]]
    ) -> None:
        self.refuses(engine, self.to_device(spoil(draw_images(1))))

    def test_arrays_with_gaps_are_refused(self, engine: Engine) -> None:
        wide = np.concatenate([draw_images(1), draw_images(1)], axis=3)
        self.refuses(engine, self.to_device(wide)[:, :, :, ::2])

    def refuses(self, engine: Engine, bad: Array) -> None:
        good = self.to_device(draw_images(1))
        for x, out in ((bad, good), (good, bad), (bad, bad)):
            with pytest.raises(EngineError):
                engine(x, out)

    def test_an_output_of_another_number_of_images_is_refused(self, engine: Engine) -> None:
        n = min(2, engine.batch)
        with pytest.raises(EngineError):
            engine(self.to_device(draw_images(n)), self.to_device(draw_images(n + 1)))

    def test_a_closed_engine_says_so(self, backend: Backend, folder: Path, manifest: Manifest) -> None:
        engine = backend.load(folder, manifest, threads=1)
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            self.run(engine, draw_images(1))

    def test_an_engine_loaded_twice_gives_equal_bits(
        self, backend: Backend, folder: Path, manifest: Manifest, engine: Engine
    ) -> None:
        other = backend.load(folder, manifest, threads=2)
        x = draw_images(1)
        np.testing.assert_array_equal(self.run(other, x), self.run(engine, x))
        other.close()

    def test_a_folder_without_the_engines_files_cannot_be_loaded(
        self, backend: Backend, manifest: Manifest, tmp_path: Path
    ) -> None:
        with pytest.raises(EngineError):
            backend.load(tmp_path, manifest, threads=1)

    def test_a_file_that_is_no_onnx_cannot_be_built(self, backend: Backend, manifest: Manifest, tmp_path: Path) -> None:
        (bad := tmp_path / "bad.onnx").write_bytes(b"no model at all")
        with pytest.raises(AugengineError, match=r"bad\.onnx"):
            backend.build(bad, manifest.spec, tmp_path)

    def test_the_backend_names_itself_and_its_machine(self, backend: Backend) -> None:
        packages = packages_of(backend.version())
        assert backend.name in next(iter(packages))
        assert all(version[:1].isdigit() for version in packages.values())
        assert backend.device_class().startswith(("cpu-", "cuda-"))
        assert "float32" in backend.precisions()
