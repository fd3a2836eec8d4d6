"""The store: engines are found by what they were made from, complete or not at all, and refused elsewhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.backends import backends, pick_backend
from augengine.engines.base import EngineSpec, Manifest
from augengine.engines.driver import why_no_driver
from augengine.engines.engine_folder import StoredEngine, engine_id
from augengine.engines.store import EngineStore
from augengine.errors import BackendUnavailable, EngineError, SpecError, WeightsError, WrongDevice
from augengine.weights.cards import digest_weights
from tests.engines.test_fidelity import make_budget
from tests.support.small_generator import write_identity_generator, write_small_generator

SPEC = EngineSpec(precision="float32", height=32, width=48)
BACKEND = OpenVinoBackend()


class Elsewhere(OpenVinoBackend):
    """The backend as another machine would have it."""

    def device_class(self) -> str:
        return "cpu-elsewhere"


class LastYear(OpenVinoBackend):
    """The backend before an upgrade."""

    def version(self) -> str:
        return "openvino 2025.1.0"


class Unknown(OpenVinoBackend):
    name = "abacus"


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return write_small_generator(tmp_path / "small.onnx")


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "home" / "engines")


@pytest.fixture
def stored(store: EngineStore, onnx_file: Path) -> StoredEngine:
    return store.build(onnx_file, BACKEND, SPEC)


def test_ids_stay_what_they_were_before_int8() -> None:
    spec = EngineSpec(precision="bfloat16", height=256, width=256)
    made = Manifest(
        weights_digest="0",
        backend="openvino",
        backend_version="openvino 2026.4.1",
        device_class="cpu-x86_64-amx",
        spec=spec,
    )
    assert engine_id(made) == "2fbbd48e639019b22ffd477a947dd600"


def test_what_was_built_is_found_by_what_it_was_made_from(
    store: EngineStore, onnx_file: Path, stored: StoredEngine
) -> None:
    assert store.find(digest_weights(onnx_file), BACKEND, SPEC) == stored
    assert store.get(stored.id) == stored
    assert stored.id == engine_id(stored.manifest) == stored.folder.name


def test_other_weights_shapes_precisions_and_machines_are_other_engines(
    store: EngineStore, onnx_file: Path, stored: StoredEngine
) -> None:
    digest = stored.manifest.weights_digest
    assert store.find("another", BACKEND, SPEC) is None
    assert store.find(digest, BACKEND, replace(SPEC, width=32)) is None
    assert store.find(digest, BACKEND, replace(SPEC, precision="bfloat16")) is None
    assert store.find(digest, Elsewhere(), SPEC) is None
    assert store.find(digest, LastYear(), SPEC) is None


def test_a_missing_engine_is_built_once(store: EngineStore, onnx_file: Path) -> None:
    first = store.get_or_build(onnx_file, BACKEND, SPEC)
    written = (first.folder / "manifest.json").stat().st_mtime_ns
    assert store.get_or_build(onnx_file, BACKEND, SPEC) == first
    assert (first.folder / "manifest.json").stat().st_mtime_ns == written


def test_a_stored_engine_runs(store: EngineStore, tmp_path: Path) -> None:
    stored = store.build(write_identity_generator(tmp_path / "identity.onnx"), BACKEND, SPEC)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 48)).astype(np.float32)
    out = np.empty_like(x)
    engine = store.load(stored.id, threads=1)
    engine(x, out)
    engine.close()
    np.testing.assert_array_equal(out, x)


def test_builders_at_the_same_time_all_get_the_engine(store: EngineStore, onnx_file: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        built = list(threads.map(lambda _: store.build(onnx_file, BACKEND, SPEC), range(8)))
    assert len(set(built_ids := [one.id for one in built])) == 1
    assert [folder.name for folder in store.root.iterdir()] == built_ids[:1]


def test_builders_at_the_same_time_repair_a_damaged_engine(
    store: EngineStore, onnx_file: Path, stored: StoredEngine
) -> None:
    (stored.folder / "model.onnx").write_bytes(b"half")
    with ThreadPoolExecutor(4) as threads:
        repaired = list(threads.map(lambda _: store.get_or_build(onnx_file, BACKEND, SPEC), range(8)))
    assert {one.id for one in repaired} == {stored.id}
    assert [folder.name for folder in store.root.iterdir()] == [stored.id]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / "model.onnx").unlink(), id="file missing"),
        pytest.param(lambda folder: (folder / "model.onnx").write_bytes(b"half"), id="file truncated"),
        pytest.param(lambda folder: (folder / "manifest.json").unlink(), id="manifest missing"),
        pytest.param(lambda folder: (folder / "manifest.json").write_text('{"manifest": '), id="manifest cut"),
        pytest.param(lambda folder: (folder / "manifest.json").write_text("[]"), id="manifest is a list"),
        pytest.param(lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe\x00"), id="manifest is no text"),
        pytest.param(lambda folder: spoil(folder, "backend", 3), id="another backend"),
        pytest.param(lambda folder: spoil(folder, "spec", {"height": "tall"}), id="a wrong spec"),
    ],
)
def test_a_damaged_engine_is_named_and_built_again(
    store: EngineStore, onnx_file: Path, stored: StoredEngine, damage: Callable[[Path], object]
) -> None:
    damage(stored.folder)
    with pytest.raises(EngineError, match=stored.id) as caught:
        store.load(stored.id, threads=1)
    assert "build-engines" in caught.value.hint
    assert store.find(stored.manifest.weights_digest, BACKEND, SPEC) is None
    assert store.get_or_build(onnx_file, BACKEND, SPEC) == stored
    store.load(stored.id, threads=1).close()


def spoil(folder: Path, field: str, value: object) -> None:
    data = json.loads((folder / "manifest.json").read_text())
    data["manifest"][field] = value
    (folder / "manifest.json").write_text(json.dumps(data))


@pytest.mark.parametrize("name", ["../x", "/dev/zero", "..", "", "a/b"])
def test_a_manifest_whose_files_lie_elsewhere_is_refused(store: EngineStore, stored: StoredEngine, name: str) -> None:
    file = stored.folder / "manifest.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"files": {name: "x"}}))
    with pytest.raises(EngineError, match="a file of an engine lies in its folder"):
        store.get(stored.id)


def test_a_file_of_an_engine_that_is_a_pipe_is_not_waited_for(store: EngineStore, stored: StoredEngine) -> None:
    file = next(file for file in stored.folder.iterdir() if file.name != "manifest.json")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(EngineError, match="it is a named pipe, no plain file"):
        store.get(stored.id)


@pytest.mark.parametrize("backend", [Elsewhere(), LastYear()], ids=["another machine", "another version"])
def test_an_engine_made_elsewhere_is_refused(store: EngineStore, onnx_file: Path, backend: OpenVinoBackend) -> None:
    foreign = store.build(onnx_file, backend, SPEC)
    with pytest.raises(WrongDevice, match="made for") as caught:
        store.load(foreign.id, threads=1)
    assert "build-engines" in caught.value.hint


def test_an_engine_of_an_unknown_backend_is_refused(store: EngineStore, onnx_file: Path) -> None:
    foreign = store.build(onnx_file, Unknown(), SPEC)
    with pytest.raises(EngineError, match="abacus"):
        store.load(foreign.id, threads=1)


@pytest.mark.parametrize("name", ["", ".", "..", "../engines", "0" * 32, "/"])
def test_an_id_that_is_not_there_is_an_error(store: EngineStore, stored: StoredEngine, name: str) -> None:
    with pytest.raises(EngineError) as caught:
        store.get(name)
    assert "build-engines" in caught.value.hint


def test_a_build_that_fails_leaves_nothing(store: EngineStore, tmp_path: Path) -> None:
    (bad := tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError):
        store.build(bad, BACKEND, SPEC)
    with pytest.raises(EngineError, match="float16"):
        store.build(bad, BACKEND, replace(SPEC, precision="float16"))
    assert list(store.root.iterdir()) == []


def test_a_weights_file_that_is_missing_is_an_error(store: EngineStore, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.onnx"):
        store.get_or_build(tmp_path / "none.onnx", BACKEND, SPEC)


def test_what_killed_builders_left_is_passed_over_and_swept_after_a_day(store: EngineStore, onnx_file: Path) -> None:
    fresh, old = store.root / ".building-fresh", store.root / ".building-old"
    for folder in (fresh, old):
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    stored = store.get_or_build(onnx_file, BACKEND, SPEC)
    assert sorted(store.root.iterdir()) == sorted([fresh, stored.folder])


def test_a_store_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path, onnx_file: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EngineStore(tmp_path / "file" / "engines")
    with pytest.raises(EngineError, match="cannot write") as caught:
        store.build(onnx_file, BACKEND, SPEC)
    assert "AUGENGINE_HOME" in caught.value.hint
    with pytest.raises(EngineError, match="cannot write"):
        store.write_budget("a", "b", make_budget())


def test_others_may_read_a_store(stored: StoredEngine) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(stored.folder.stat().st_mode) == 0o777 & ~mask


def test_an_engine_is_copied_into_a_datasets_own_store(
    store: EngineStore, stored: StoredEngine, tmp_path: Path
) -> None:
    own = EngineStore(tmp_path / "dataset" / "engines")
    copied = own.adopt(stored)
    assert copied == own.adopt(stored) == own.get(stored.id)
    assert copied.manifest == stored.manifest
    own.load(stored.id, threads=1).close()


def test_a_damaged_engine_is_not_copied(stored: StoredEngine, tmp_path: Path) -> None:
    (stored.folder / "model.onnx").write_bytes(b"half")
    own = EngineStore(tmp_path / "dataset" / "engines")
    with pytest.raises(EngineError, match="damaged"):
        own.adopt(stored)
    assert list(own.root.iterdir()) == []


def test_a_budget_is_kept_and_a_damaged_one_is_as_none(store: EngineStore, stored: StoredEngine) -> None:
    assert store.read_budget("to", "from") is None
    store.write_budget("to", "from", make_budget())
    assert store.read_budget("to", "from") == make_budget()
    (file,) = (store.root / "budgets").iterdir()
    assert file.name == "to-from.json"
    for damage in ("{", "[]", "{}", '{"tiles": 0}'):
        file.write_text(damage)
        assert store.read_budget("to", "from") is None
    assert store.find(stored.manifest.weights_digest, BACKEND, SPEC) == stored


def test_the_backends_have_different_names() -> None:
    assert sorted(backend.name for backend in backends()) == ["openvino", "tensorrt", "torch"]


def test_a_backend_is_picked_by_name() -> None:
    assert pick_backend("openvino").name == "openvino"
    with pytest.raises(SpecError, match="abacus"):
        pick_backend("abacus")  # type: ignore[arg-type]


@pytest.mark.skipif(not why_no_driver(), reason="this machine has an NVIDIA driver")
def test_without_a_gpu_auto_is_openvino_and_tensorrt_says_why_not() -> None:
    assert pick_backend().name == "openvino"
    with pytest.raises(BackendUnavailable, match=r"tensorrt cannot run here: .*driver"):
        pick_backend("tensorrt")


def test_the_store_and_auto_load_no_heavy_package() -> None:
    code = """
import sys
from augengine.engines import backends, store  # noqa: F401
backends.pick_backend("openvino")
print([name for name in ("torch", "openvino", "tensorrt", "tensorrt_rtx", "cupy", "ray") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
