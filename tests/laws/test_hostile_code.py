"""Nothing in a file is run: no pickles, no engine or weights whose digest is not the one that was asked for."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from augengine.dataset import replay
from augengine.dataset.load import find_store
from augengine.digests import bytes_digest
from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.base import EngineSpec
from augengine.engines.engine_folder import engine_id
from augengine.engines.store import EngineStore
from augengine.errors import EngineError, WeightsError
from augengine.weights.cards import find_weights
from tests.support.datasets import make
from tests.support.pictures import write_folder
from tests.support.places import ROOT
from tests.support.small_generator import write_small_pair

FILES = [file for folder in ("augengine", "train") for file in sorted((ROOT / folder).rglob("*.py"))]
RUNS_WHAT_IT_READS = {"marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}


def _runs(file: Path) -> Iterator[str]:
    """What a file of ours does that would run what it reads."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from sorted({alias.name for alias in node.names} & RUNS_WHAT_IT_READS)
        elif isinstance(node, ast.ImportFrom) and node.module in (*RUNS_WHAT_IT_READS, "pickle"):
            if ast.unparse(node) != "from yaml import safe_dump":  # it writes, and reads nothing
                yield node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle" and node.attr != "UnpicklingError":
            yield f"pickle.{node.attr}"
        elif isinstance(node, ast.Call):
            yield from _unsafe(node)


def _unsafe(call: ast.Call) -> Iterator[str]:
    name, said = ast.unparse(call.func), {each.arg: ast.unparse(each.value) for each in call.keywords}
    if name in ("eval", "exec", "os.system") or "allow_pickle" in said or said.get("shell", "False") != "False":
        yield ast.unparse(call)
    if name == "torch.load" and said.get("weights_only") != "True":
        yield ast.unparse(call)


def test_no_file_is_unpickled_or_evaluated() -> None:
    assert {str(file): found for file in FILES if (found := list(_runs(file)))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(f)",
        "from pickle import load",
        "import dill",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
        "eval(x)",
        "from yaml import load",
        "import yaml",
    ],
)
def test_that_would_be_noticed(line: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(line)
    assert list(_runs(tmp_path / "x.py"))


def test_weights_that_are_not_what_their_card_says_are_refused(tmp_path: Path) -> None:
    write_small_pair(tmp_path)
    file = next(tmp_path.rglob("to-reference.onnx"))
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="digests differ"):
        find_weights("pas", "cd68", [tmp_path])


@pytest.mark.e2e
def test_a_dataset_cannot_bring_an_engine_that_passes_for_the_users(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder has the right id and digests that fit: only the bytes are somebody else's."""
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    out = tmp_path / "out"
    made = make(write_folder(tmp_path / "in", ["a"]), out, small_weights)
    store, forged = EngineStore(tmp_path / "home" / "engines"), out / ".augengine" / "engines"
    for engine in (made.engines.to_reference, made.engines.from_reference):
        (forged / engine).mkdir(parents=True)
        manifest = json.loads((store.root / engine / "manifest.json").read_bytes())
        for name in manifest["files"]:
            (forged / engine / name).write_bytes(b"somebody else's")
            manifest["files"][name] = bytes_digest((forged / engine / name).read_bytes())
        (forged / engine / "manifest.json").write_text(json.dumps(manifest))
        assert EngineStore(forged).get(engine)  # its own digests fit
    found = find_store(out, made.engines)
    assert found is not None
    assert found.root == store.root
    assert replay(out, "a-v0001").same
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "empty"))
    assert find_store(out, made.engines) is None


def test_a_plan_is_known_by_its_bytes(tmp_path: Path, small_weights: Path) -> None:
    onnx = next(small_weights.rglob("to-reference.onnx"))
    spec = EngineSpec(precision="float32", height=32, width=32, batch=1)
    stored = EngineStore(tmp_path / "store").build(onnx, OpenVinoBackend(), spec)
    data = json.loads((stored.folder / "manifest.json").read_bytes())
    data["manifest"]["plan_digest"] = "0" * 32
    manifest = replace(stored.manifest, plan_digest="0" * 32)
    (stored.folder / "manifest.json").write_text(json.dumps(data))
    stored.folder.rename(tmp_path / "store" / engine_id(manifest))
    with pytest.raises(EngineError, match="lacks the plan"):
        EngineStore(tmp_path / "store").get(engine_id(manifest))


def test_an_engine_is_named_by_an_id_and_never_by_a_path(tmp_path: Path) -> None:
    for name in ("../elsewhere", "/etc", "a/b", "", "."):
        with pytest.raises(EngineError, match="no engine"):
            EngineStore(tmp_path).get(name)
