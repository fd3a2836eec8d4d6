"""Datasets are read everywhere: with what `pip install augengine` brings, on other Pythons, on other platforms."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.support.datasets import make
from tests.support.pictures import write_folder
from tests.support.places import ROOT

READER = ROOT / "tests" / "support" / "light_reader.py"
PYTHONS = ("3.12", "3.13")
PLATFORMS = ("macosx_14_0_arm64", "macosx_13_0_x86_64", "manylinux_2_28_aarch64")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Path:
    """Four sources with masks and two variants each, as jpg and png would be read alike."""
    folder = tmp_path_factory.mktemp("light")
    tiles = write_folder(folder / "tiles", [f"tile_{i}" for i in range(4)], masks=True)
    options = {"variants": 2, "include_source": True, "samples_per_shard": 2}
    make(tiles, folder / "shards", small_weights, image_format="jpg", **options)
    return folder / "shards"


def run(*command: object, folder: Path, paths: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": paths} if paths else {}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.e2e
def test_a_dataset_is_read_without_what_writes_one(shards: Path, tmp_path: Path) -> None:
    code = (
        "import tests.support.light_machine\n"
        "from tests.support.light_reader import main\n"
        f"main({str(shards)!r}, {str(tmp_path)!r})\n"
    )
    said = run(sys.executable, "-c", code, folder=tmp_path, paths=f"{ROOT}{os.pathsep}{ROOT / 'train'}")
    assert said.startswith("OK 12 decoded, 4 shown")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy."""
    folder = tmp_path_factory.mktemp("light_wheel")
    for name in ("augengine", "train"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / "source" / name)
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder / "source")
    run(*build, folder=folder)
    return next(folder.glob("augengine-*.whl"))


def find_python(version: str) -> Path | None:
    """An interpreter of this version that runs, if there is one."""
    named = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for name in filter(None, named):
        if subprocess.run([name, "--version"], capture_output=True, check=False).returncode == 0:
            return Path(name)
    return None


def in_environment(python: Path, wheel: Path, shards: Path, folder: Path, *more: str) -> str:
    """What the reader says in a new environment with the wheel, what it needs, and some packages more."""
    run(python, "-m", "venv", folder / "venv", folder=folder)
    shutil.copyfile(READER, folder / "light_reader.py")
    own = folder / "venv" / "bin"
    run(own / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, *more, folder=folder)
    return run(own / "python", "light_reader.py", shards, folder / "indexes", folder=folder)


@pytest.mark.slow
def test_the_wheel_with_torch_alone_reads(wheel: Path, shards: Path, tmp_path: Path) -> None:
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert "4 shown" in in_environment(Path(sys.executable), wheel, shards, tmp_path, torch)


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_another_python_reads(version: str, wheel: Path, shards: Path, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    assert f"12 decoded, 0 shown, Python {version}" in in_environment(python, wheel, shards, tmp_path)


def base() -> Iterator[str]:
    """What `pip install augengine` installs, without an extra."""
    return (line for line in requires("augengine") or [] if "extra ==" not in line)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", *PYTHONS])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_there_are_wheels_of_all_that_reads(platform: str, version: str, tmp_path: Path) -> None:
    where = ("--target", tmp_path / "nowhere", "--platform", platform, "--python-version", version)
    pip = (sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--only-binary=:all:")
    run(*pip, *where, *base(), folder=tmp_path)
