"""What docs/guide/segmenter.md tells people to type is typed here, in order, at toy size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from augengine.stains import Stain
from augengine_train.experiments.choose_eps.__main__ import main as choose_eps
from augengine_train.experiments.table1.__main__ import main as table1
from augengine_train.unet.__main__ import main as unet
from augengine_train.unet.drift import main as drift
from augengine_train.unet.run import find_card
from tests.docs.test_pages import blocks
from tests.support.commands import all_commands
from tests.support.places import ROOT
from tests.support.segmenter_tiles import names, write_tiles
from tests.support.small_generator import write_small_pair
from tests.support.typed_lines import type_in_process

PAGE = ROOT / "docs" / "guide/segmenter.md"
TOY = "--recipe small --width 2 --depth 2 --crop 32 --steps 1"
TOYS = {
    "augengine augment": "--force",  # a small pair with random weights knows no tissue
    "augengine train unet": TOY,
    "augengine train choose-eps": f"{TOY} --repeats 1 --grid 0.05 --variants 1",
}
"""Typed after the page's own options."""


def typed() -> list[str]:
    """The page's command lines, in order."""
    lines = [line for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith(("augengine ", "python -m "))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with tiles and patients, where every command was typed once."""
    folder, threads = tmp_path_factory.mktemp("segmenter"), torch.get_num_threads()
    for number, patient in enumerate(("anna", "berta", "carl")):
        write_tiles(folder / "tiles", names(patient[0], 2), seed=10 * number, patient=patient, shard=patient)
    write_small_pair(folder / "home" / "weights")
    (csv,) = blocks(PAGE, "csv")
    (folder / "patients.csv").write_text(csv)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AUGENGINE_HOME", str(folder / "home"))
        type_in_process(typed(), TOYS)
        yield folder
    torch.set_num_threads(threads)


@pytest.mark.e2e
def test_tiles_become_shards_segmenters_and_an_eps(trained: Path) -> None:
    assert len(typed()) == 7
    assert (trained / "shards" / "cd68-000000.tar").is_file()
    for run in ("glomeruli", "online", "baseline", "rest"):
        assert (trained / "runs" / run / "test.json").is_file()
    assert json.loads((trained / "runs" / "baseline" / "drift.json").read_text())["shards/"]["tiles"] == 2
    said = json.loads((trained / "runs" / "eps" / "eps.json").read_text())
    own = trained / "home" / "stains" / "cd68.toml"
    # A training of one step may well be worse with any noise than with none.
    assert (Stain.from_toml(own).recommended_eps if own.exists() else None) == said["recommended_eps"]
    left = find_card(trained / "runs" / "rest").trained_on
    assert left is not None
    assert {*left.tiles, *said["tiles"]} == {"a0", "a1"}
    assert len(left.tiles) == len(said["tiles"]) == 1


@pytest.mark.parametrize("page", ["guide/segmenter.md", "notes/table1.md"])
def test_every_option_that_the_page_names_exists(page: str) -> None:
    offered = {
        option
        for command in (*all_commands().values(), unet, drift, choose_eps, table1)
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z0-9-]+", (ROOT / "docs" / page).read_text()))
    assert named
    assert named <= offered
