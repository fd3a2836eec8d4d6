"""What docs/guide/tutorial.md tells people to type is typed here, in order, on drawn slides and at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pyvips
from shapely import Polygon
from skimage.measure import find_contours

from augengine.shards.read import scan_tar
from augengine.weights.home import SAMPLE_WEIGHTS
from augengine_train.phantom import FieldSpec, draw_field
from tests.docs.test_pages import blocks
from tests.support.annotation_files import write_geojson
from tests.support.places import ROOT
from tests.support.typed_lines import type_lines

PAGE = ROOT / "docs" / "guide/tutorial.md"
# The sample set's pair knows drawn tissue.
TOYS = {
    "augengine probe": f"--tiles 2 --sigmas 0.05,0.1 --weights {SAMPLE_WEIGHTS}",
    "augengine augment": f"--variants 1 --weights {SAMPLE_WEIGHTS}",
    "augengine train unet": "--recipe small --width 2 --depth 2 --crop 32 --steps 2 --variants 1",
    "augengine train unet --train 'tiles": "--variants 0",
}
SIDE, MPP = 640, 0.5
PATIENTS = {"anna": 1, "berta": 3, "carl": 5}
"""The seed of each one's slide; these three show a glomerulus."""


def typed() -> list[str]:
    """The page's command lines, in order."""
    lines = [line for block in blocks(PAGE) for line in block.splitlines()]
    return [line for line in lines if line.startswith("augengine ")]


def draw_slide(folder: Path, patient: str, seed: int) -> None:
    """A drawn CD68 field as a slide, and its glomeruli as outlines."""
    field = draw_field(FieldSpec(stain="cd68", side=SIDE, mpp=MPP, anatomy_seed=seed, marker_seed=seed))
    picture = pyvips.Image.new_from_array(np.ascontiguousarray(field.image))
    picture.tiffsave(str(folder / "slides" / f"{patient}.tif"), tile=True, xres=1000 / MPP, yres=1000 / MPP)
    outlines = find_contours(np.pad(field.glomeruli, 1).astype(float), 0.5)  # type: ignore[no-untyped-call]
    rings = [Polygon(np.clip(outline[:, ::-1] - 1, 0, SIDE - 1)) for outline in outlines]
    write_geojson(folder / "annotations" / f"{patient}.geojson", [("glomerulus", ring) for ring in rings])


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with slides of three patients, where every command was typed once."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("slides", "annotations"):
        (folder / name).mkdir()
    for patient, seed in PATIENTS.items():
        draw_slide(folder, patient, seed)
    (csv,) = blocks(PAGE, "csv")
    (folder / "split.csv").write_text(csv)
    type_lines(typed(), folder, toys=TOYS)
    return folder


@pytest.mark.e2e
def test_slides_become_two_measured_segmenters(learnt: Path) -> None:
    assert len(typed()) == 7
    assert len(list((learnt / "tiles").glob("*.tar"))) == 3
    report = (learnt / "probe" / "report.html").read_text()
    assert "This pair" in report
    written = [entry for file in (learnt / "augmented").glob("*.tar") for entry in scan_tar(str(file)).entries]
    assert len(written) >= 8
    assert (learnt / "sheet.png").is_file()
    for run in ("with", "without"):
        assert json.loads((learnt / "runs" / run / "test.json").read_text())
