"""What ``import augengine`` offers, and what it does not load."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import augengine
from tests.support.places import ROOT

HEAVY = (
    "cupy", "cv2", "fsspec", "matplotlib", "nvidia", "onnx", "onnxruntime", "openvino", "PIL", "ray", "rich", "skimage",
    "tensorrt", "tensorrt_rtx", "torch", "webdataset",
)  # fmt: skip
PUBLIC = [name for name in augengine.__all__ if name != "__version__"]


def loaded_by(code: str) -> set[str]:
    """The heavy packages in memory after ``code`` ran in a fresh interpreter."""
    tell = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    return set(run(f"{code}\n{tell}").split())


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_can_be_had_and_says_what_it_is() -> None:
    for name in PUBLIC:
        text = inspect.getdoc(getattr(augengine, name))
        assert text, name
        assert not text.startswith(f"{name}("), name  # what a dataclass says by default


def test_public_names_are_a_handful_in_order() -> None:
    assert 12 <= len(PUBLIC) <= 20
    assert augengine.__all__ == sorted(augengine.__all__)


def test_dir_shows_what_is_not_loaded_yet() -> None:
    assert run("import augengine; print(set(augengine.__all__) <= set(dir(augengine)))").strip() == "True"


def test_no_public_name_is_also_a_modules() -> None:
    # `augengine.replay` would be the function or the module, depending on what was imported first.
    package = ROOT / "augengine"
    modules = {file.stem for file in package.glob("*.py")} | {
        file.parent.name for file in package.glob("*/__init__.py")
    }
    assert not modules & set(augengine.__all__)


def test_the_version_is_the_projects() -> None:
    assert augengine.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'augmint'"):
        augengine.augmint  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import augengine") == set()
    assert "numpy" not in run("import augengine, sys; print(*sys.modules)").split()


def test_a_trainer_gets_the_online_rule_and_nothing_heavy() -> None:
    assert loaded_by("from augengine import pick; pick(4, 0.5, 0, 'tile_7', 3)") == set()


def test_opening_a_dataset_without_torch_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from augengine import *\n"
        "try: open_dataset('shards/')\n"
        "except AugengineError as error: print(type(error).__name__, error.hint)"
    )
    assert run(code).strip() == "BackendUnavailable pip install torch, or pip install 'augengine[train]'"


def test_the_name_of_the_loader_loads_no_torch() -> None:
    assert "torch" not in loaded_by("from augengine import open_dataset")


def test_values_and_errors_load_nothing_heavy() -> None:
    assert loaded_by("from augengine import AugengineError, NoiseSpec, Stain, find_stain") == set()


def test_the_command_line_loads_no_engine_and_no_cluster() -> None:
    found = loaded_by("import augengine.cli.main")
    assert not found & {
        "cupy", "matplotlib", "onnxruntime", "openvino", "ray", "tensorrt", "tensorrt_rtx", "torch", "webdataset",
    }  # fmt: skip


@pytest.mark.e2e
def test_engines_and_datasets_are_made_without_torch(small_weights: Path, tmp_path: Path) -> None:
    weights, out = ["--weights", str(small_weights)], ["--out", str(tmp_path / "out")]
    build = ["build-engines", "--stain", "cd68", "--size", "64", *weights]
    commands = [
        build,
        ["augment", "--force", "--stain", "cd68", "--limit", "1", *weights, *out],
        ["verify", str(tmp_path / "out")],
    ]
    run(
        "import sys; sys.modules['torch'] = None; sys.modules['safetensors'] = None\n"
        "from augengine.cli.main import main\n"
        f"for command in {commands!r}:\n"
        "    try: main(command)\n"
        "    except SystemExit as left: assert not left.code, (command, left.code)\n"
    )
    assert [file.name for file in sorted((tmp_path / "out").glob("*.tar"))] == ["cd68-000000.tar"]
