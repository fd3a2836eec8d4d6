"""Which file annotates a slide."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import shapely

from augengine.annotations import find_labels
from augengine.errors import SourceError
from tests.support.annotation_files import write_geojson
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "guide/annotations.md"


@pytest.mark.parametrize(
    "name",
    [
        "s1.geojson", "s1.json", "s1.xml", "s1.csv", "s1.roi", "s1.rois.zip", "s1.zip", "s1.png", "s1.tif", "s1.XML",
        "s1.svs.geojson", "s1_mask.png", "s1-labels.tiff", "s1_annotations.json", "s1_ROIs.zip",
    ],
)  # fmt: skip
def test_a_file_in_the_folder_is_found_by_the_slides_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    for other in (name, "s10.json", "s1b.json", "s1_notes.txt", "as1.json"):
        (folder / other).touch()
    assert find_labels(tmp_path / "s1.svs", folder) == folder / name


def test_without_a_folder_it_is_looked_for_beside_the_slide(tmp_path: Path) -> None:
    slide = tmp_path / "s1.tif"
    slide.touch()
    assert find_labels(slide, None) is None
    for thumbnail in ("s1.png", "s1.zip", "s1.csv"):
        (tmp_path / thumbnail).touch()
    assert find_labels(slide, None) is None
    (tmp_path / "s1_mask.png").touch()
    assert find_labels(slide, None) == tmp_path / "s1_mask.png"


def test_a_slide_is_not_its_own_annotation(tmp_path: Path) -> None:
    (tmp_path / "s1.tif").touch()
    assert find_labels(tmp_path / "s1.tif", tmp_path) is None


def test_an_ome_tiff_is_found_by_its_name_before_ome(tmp_path: Path) -> None:
    (tmp_path / "s1.geojson").touch()
    assert find_labels(tmp_path / "s1.ome.tiff", tmp_path) == tmp_path / "s1.geojson"


def test_a_name_with_signs_of_patterns_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "s[1]+.json").touch()
    assert find_labels(tmp_path / "s[1]+.svs", tmp_path) == tmp_path / "s[1]+.json"
    assert find_labels(tmp_path / "s[1]++.svs", tmp_path) is None


def test_two_files_for_a_slide_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "s1.xml").touch()
    (tmp_path / "s1.geojson").touch()
    with pytest.raises(SourceError, match=r"s1\.geojson, s1\.xml"):
        find_labels(tmp_path / "s1.svs", tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        find_labels(tmp_path / "s1.svs", tmp_path / "gone")


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "annotations").mkdir()
    write_geojson(tmp_path / "annotations" / "s1.geojson", [("Glomerulus", shapely.box(5000, 4000, 5200, 4300))])
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    assert runpy.run_path("example.py")["mask"].sum() == 100 * 150


def test_the_docs_name_every_ending_that_is_found(tmp_path: Path) -> None:
    (listed,) = re.findall(r"then the extension: ([\w., ]+)\n", PAGE.read_text())
    for ending in re.split(r",\s+", listed):
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.{ending}"
        file.touch()
        assert find_labels(file.with_name(f"{file.name.partition('.')[0]}.svs"), tmp_path) == file
