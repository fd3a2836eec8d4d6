"""What docs/tiling.md tells people to type is typed here, in order, on small slides and with small tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely import box

from augengine.shards.read import scan_tar
from tests.annotation_files import write_geojson
from tests.slide_files import specimen, write_slide
from tests.test_docs import blocks
from tests.typed_lines import ROOT, type_lines

PAGE = ROOT / "docs" / "tiling.md"
TOYS = {"augengine tile": "--size 64 --random 0", "augengine tile slides/ --random": "--random 4"}


def typed() -> list[str]:
    """The page's command lines, in order."""
    return [line for block in blocks(PAGE) for line in block.splitlines() if line.startswith("augengine ")]


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with slides of two patients and their annotations, where every command was typed once."""
    folder = tmp_path_factory.mktemp("tiling")
    for name in ("slides", "annotations"):
        (folder / name).mkdir()
    for seed, name in enumerate(("anna", "berta")):
        write_slide(folder / "slides" / f"{name}.tif", specimen(1200, 1200, seed=seed))
        write_geojson(folder / "annotations" / f"{name}.geojson", [("glomerulus", box(500, 500, 590, 590))])
    (folder / "split.csv").write_text("file,patient,split\nanna*,anna,train\nberta*,berta,test\n")
    type_lines(typed(), folder, toys=TOYS)
    return folder


@pytest.mark.e2e
def test_slides_become_patches_and_these_augmented_shards(tiled: Path) -> None:
    assert len(typed()) == 4
    patches = {file.name: scan_tar(str(file)) for file in (tiled / "patches").glob("*.tar")}
    assert {name: len(found.entries) for name, found in patches.items()} == {
        "train-anna-000000.tar": 1 + 7 + 5,
        "test-berta-000000.tar": 1 + 7 + 5,
    }
    assert len(list((tiled / "augmented").glob("*.tar"))) == 1
    assert len(list((tiled / "unlabelled").glob("*.tar"))) == 2
