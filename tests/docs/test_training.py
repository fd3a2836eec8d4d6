"""What docs/guide/training.md tells people to type is typed here, in order, with trainings and tiles of toy size."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from augengine_train.cyclegan.hiding import Hiding
from augengine_train.cyclegan.recipe import find_recipe
from tests.docs.test_pages import blocks
from tests.support.pictures import encode, tissue
from tests.support.places import ROOT
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "guide/training.md"
TOY = "--width 4 --blocks 1 --crop 32 --steps 2"
"""Typed after the page's own options: the last of two equal ones counts."""


def typed() -> list[str]:
    """The page's command lines that need no real pictures, in order."""
    lines = [line for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith(("augengine ", "python -m ")) and "../shared" not in line]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fields and tiles, where every command was typed once."""
    folder = tmp_path_factory.mktemp("training")
    for stain, first in (("pas", 0), ("cd68", 10)):
        (folder / "fields" / stain).mkdir(parents=True)
        for i in range(2):  # halved to 200 px; the strip is 40 px wide then
            (folder / "fields" / stain / f"{i}.png").write_bytes(encode(tissue(400, 400, seed=first + i)))
    (folder / "tiles").mkdir()
    (folder / "tiles" / "a.png").write_bytes(encode(tissue(128, 128)))
    type_lines(typed(), folder, toys={"augengine train cyclegan": TOY})
    return folder


@pytest.mark.e2e
def test_fields_become_generators_and_these_shards(trained: Path) -> None:
    assert [shlex.split(line)[:3] for line in typed()[:2]] == [
        ["augengine", "train", "cyclegan"],
        ["augengine", "train", "validate"],
    ]
    assert (trained / "runs/cd68/weights/pas-cd68/to-reference.onnx").is_file()
    assert (trained / "look.png").is_file()
    assert {file.name for file in (trained / "shards").glob("*.tar")} == {"cd68-000000.tar"}


def test_the_recipe_of_the_page_hides_and_interpolates(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    (tmp_path / "mine.toml").write_text(text)
    recipe = find_recipe(str(tmp_path / "mine.toml"))
    assert recipe.hiding == Hiding(weight=8, sigma=0.1, emphasis=10)
    assert (recipe.generator.upsampling, recipe.lambda_cycle) == ("nearest", 30)


@pytest.mark.e2e
@pytest.mark.parametrize("module", ["cyclegan", "validate", "weights"])
def test_every_option_that_the_page_names_exists(module: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "augengine", "train", module, "--help"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    offered = set(re.findall(r"--[a-z][a-z-]+", said))
    for line in typed():
        if line.startswith(f"augengine train {module} "):
            assert set(re.findall(r"--[a-z][a-z-]+", line)) <= offered
    named = {"cyclegan": {"--patients", "--markers", "--resume", "--holdout"}, "validate": {"--kid-features"}}
    assert named.get(module, {"--replace"}) <= offered
    assert all(option in PAGE.read_text() for option in named.get(module, {"--replace"}))
