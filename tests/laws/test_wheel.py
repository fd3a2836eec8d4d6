"""The wheel, installed into an environment of its own, runs outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, home: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AUGENGINE_HOME")}
    environment |= {"AUGENGINE_HOME": str(home)} if home else {}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment, ``venv``, that holds the wheel and what it needs, and no torch."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools leaves a build folder there, from which a later wheel would take old files
    for name in ("augengine", "train"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source, folder=folder)
    (wheel,) = folder.glob("augengine-*.whl")
    run(sys.executable, "-m", "venv", "venv", folder=folder)
    constraints = ROOT / "constraints.txt"
    run("venv/bin/pip", "install", "--quiet", "--constraint", constraints, f"{wheel}[write]", folder=folder)
    return folder


def test_help_and_the_commands_of_training_are_there(installed: Path) -> None:
    assert "augment" in run("venv/bin/augengine", "--help", folder=installed)
    assert "cyclegan" in run("venv/bin/augengine", "train", "--help", folder=installed)


def test_the_sample_set_is_augmented(installed: Path) -> None:
    line = ("venv/bin/augengine", "augment", "--stain", "cd68", "--eps", "0.05", "--out", "shards/")
    assert "8 samples in 1 shard" in run(*line, folder=installed, home=installed / "home")
    assert "sound" in run("venv/bin/augengine", "verify", "shards/", folder=installed, home=installed / "home")


def test_training_says_what_to_install(installed: Path) -> None:
    done = subprocess.run(
        ["venv/bin/augengine", "train", "unet", "--help"], cwd=installed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'augengine[train]'" in done.stderr
