"""What docs/notes/phantom.md tells people to type is typed here, in order, at toy size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.docs.test_pages import blocks
from tests.support.datasets import members
from tests.support.places import ROOT
from tests.support.small_generator import write_small_pair
from tests.support.typed_lines import type_in_process

GATE = ("gate-learn", "gate-choose", "gate-look")
TOYS = {
    "augengine augment": "--allow-mpp --force",
    "augengine probe": "--allow-mpp",
    "augengine preview": "--allow-mpp",
    "augengine train phantom": "--count=20 --side=64",
    "augengine train unet": "--width 2 --depth 2 --shrink 4 --crop 16 --steps 1",
}


def typed() -> list[str]:
    """The page's command lines, in order."""
    lines = [line for block in blocks(ROOT / "docs" / "notes/phantom.md") for line in block.splitlines()]
    return [line for line in lines if line.startswith(("augengine ", "python -m "))]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where every command was typed once."""
    folder, threads = tmp_path_factory.mktemp("phantom"), torch.get_num_threads()
    for weights in ("runs/phantom/weights", "augengine/weights/sample"):
        write_small_pair(folder / weights)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        type_in_process(typed(), TOYS)
    yield folder
    torch.set_num_threads(threads)


@pytest.mark.e2e
def test_phantoms_are_drawn_looked_at_and_augmented(drawn: Path) -> None:
    assert len(typed()) == 24
    assert len(json.loads((drawn / "runs" / "look" / "drift.json").read_text())) == 3


@pytest.mark.e2e
@pytest.mark.parametrize("splits", [("train", "test"), ("learn", "choose", "look"), GATE])
def test_splits_share_no_patient(drawn: Path, splits: tuple[str, ...]) -> None:
    people = [patients(drawn / "phantoms" / split) for split in splits]
    assert len(set().union(*people)) == sum(map(len, people))


def patients(folder: Path) -> set[str]:
    """Whose fields a folder holds."""
    return {name.partition("_")[0] for name in members(folder)}
