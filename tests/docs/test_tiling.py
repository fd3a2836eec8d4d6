"""What docs/guide/tiling.md tells people to type is typed here, on slides of real kidney and with small tiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augengine.shards.read import scan_tar
from tests.docs.test_pages import blocks
from tests.support.annotation_files import write_geojson
from tests.support.places import ROOT
from tests.support.real_pyramid import write_real_pyramid
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "guide/tiling.md"
TOYS = {
    "augengine tile slides/ --mpp": "--mpp 2 --size 64 --negatives 1 --background 0",
    "augengine tile slides/ --random": "--mpp 2 --size 64 --random 4",
    "augengine augment": "--mpp 2 --allow-mpp --limit 12 --force",
    "augengine train unet": "--recipe small --width 2 --depth 2 --crop 32 --steps 2",
}
PATIENTS = {"anna": "train", "berta": "validation", "carl": "test"}


def typed() -> list[str]:
    """The page's command lines, in order."""
    lines = [line for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith(("augengine ", "python -m "))]


@pytest.fixture(scope="module")
def tiled(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with slides of three patients and their annotations, where every command was typed once."""
    folder = tmp_path_factory.mktemp("tiling")
    for name in ("slides", "annotations"):
        (folder / name).mkdir()
    for number, name in enumerate(PATIENTS):
        file = folder / "slides" / f"{name}.tif"
        pyramid = write_real_pyramid(file, shared_data / "kidney_pas_regions", columns=2, rows=2, first=4 * number)
        write_geojson(folder / "annotations" / f"{name}.geojson", pyramid.polygons)
    rows = [f"{name}*,{name},{split}" for name, split in PATIENTS.items()]
    (folder / "split.csv").write_text("\n".join(["file,patient,split", *rows]) + "\n")
    type_lines(typed(), folder, toys=TOYS)
    return folder


@pytest.mark.e2e
def test_slides_become_patches_augmented_shards_and_a_segmenter(tiled: Path) -> None:
    assert len(typed()) == 5
    patches = {file.name: scan_tar(str(file)) for file in (tiled / "patches").glob("*.tar")}
    assert set(patches) == {f"{split}-{name}-000000.tar" for name, split in PATIENTS.items()}
    assert all(len(found.entries) > 10 for found in patches.values())
    assert len(list((tiled / "augmented").glob("*.tar"))) == 1
    assert len(list((tiled / "unlabelled").glob("*.tar"))) == 3
    measured = json.loads((tiled / "runs" / "glomeruli" / "test.json").read_text())
    assert measured
