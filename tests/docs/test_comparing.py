"""What docs/guide/comparing.md tells people to type is typed here, at toy size; its table names every arm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augengine_train.experiments.compare.plan import ARMS
from tests.docs.test_pages import blocks
from tests.support.places import ROOT
from tests.support.segmenter_tiles import names, write_tiles
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "guide/comparing.md"
TOYS = {"augengine train compare": "--arm shuffle --width 2 --depth 2 --crop 32 --steps 1 --variants 1"}


@pytest.mark.e2e
def test_the_command_of_the_page_compares(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    for number in range(3):
        write_tiles(tmp_path / "tiles", names(f"p{number}_", 2), seed=number, patient=f"p{number}", shard=f"s{number}")
    typed = [line for block in blocks(PAGE) for line in block.splitlines() if line.startswith("augengine ")]
    type_lines(typed, tmp_path, toys=TOYS)
    assert (tmp_path / "comparison" / "compare.json").is_file()


def test_the_page_explains_every_arm() -> None:
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(), re.MULTILINE)) == ARMS
