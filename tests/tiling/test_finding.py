"""What is a slide in a folder, what only lies beside one, and what their tiles are called."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augengine.annotations import LabelFinder
from augengine.errors import SourceError
from augengine.tiling.finding import Search, find_slides
from augengine.tiling.keys import distinct_keys
from augengine.tiling.listing import Given, Listed, list_slides
from augengine.tiling.patients import PatientRow, Patients


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def search(*names: Path, annotations: Path | None = None) -> Search:
    finders = [LabelFinder(None), *([LabelFinder(annotations)] if annotations else [])]
    return find_slides([str(name) for name in names], finders)


def listed(*names: Path, **given: Any) -> Listed:
    return list_slides([str(name) for name in names], Given(**given))


@pytest.mark.parametrize("sign", ["_", "-", "."])
@pytest.mark.parametrize("word", ["mask", "labels", "roi", "Mask"])
@pytest.mark.parametrize("ending", ["tif", "tiff", "png"])
@pytest.mark.parametrize("stem", ["s1", "s1.tif"])
def test_an_annotation_beside_its_slide_is_no_slide(
    stem: str, sign: str, word: str, ending: str, tmp_path: Path
) -> None:
    label = f"{stem}{sign}{word}.{ending}"
    found = search(touch(tmp_path, "s1.tif", "s2.tif", label))
    assert [slide.relative for slide in found.slides] == ["s1.tif", "s2.tif"]
    by_glob = search(*sorted(tmp_path.iterdir()))
    assert [slide.relative for slide in by_glob.slides] == ["s1.tif", "s2.tif"]
    assert found.notes == by_glob.notes == (f"1 picture annotates a slide and was not cut, such as {label}",)


def test_a_mask_without_its_slide_is_a_slide(tmp_path: Path) -> None:
    touch(tmp_path, "s1.tif", "s1_mask.tif")
    assert [slide.relative for slide in search(tmp_path / "s1_mask.tif").slides] == ["s1_mask.tif"]


def test_masks_in_a_searched_folder_of_annotations_are_no_slides(tmp_path: Path) -> None:
    touch(tmp_path, "s1.svs", "s2.svs", "masks/s1.tif", "masks/s2.tif", "more/s3.svs", "masks/more/s3.tif")
    found = search(tmp_path, annotations=tmp_path / "masks")
    assert [slide.relative for slide in found.slides] == ["more/s3.svs", "s1.svs", "s2.svs"]


def test_a_folder_of_pictures_is_taken_and_pictures_beside_slides_are_not(tmp_path: Path) -> None:
    found = search(touch(tmp_path / "a", "x.png", "y.jpg", "z.JPEG", "x_mask.png"))
    assert [slide.relative for slide in found.slides] == ["x.png", "y.jpg", "z.JPEG"]
    found = search(touch(tmp_path / "b", "s1.svs", "s1.png", "t.jpg", "t_mask.jpg", "notes.txt", "s1.geojson"))
    assert [slide.relative for slide in found.slides] == ["s1.svs"]
    assert found.notes == ("3 files of other kinds (.jpg, .png) were left out",)


def test_kinds_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "s.tif", "a.vsi", "b.isyntax", "c.qptiff", "d.jp2", "e.zarr/0/.zarray", "e.zarr/0/0.0", "readme.md")
    found = search(tmp_path)
    assert found.notes == ("5 files of other kinds (.isyntax, .jp2, .qptiff, .vsi, .zarr) were left out",)
    (tmp_path / "s.tif").unlink()
    with pytest.raises(SourceError, match=r"5 files of other kinds \(.isyntax.*\) were not read"):
        search(tmp_path)
    with pytest.raises(SourceError, match=r"e\.zarr is of a kind that is not read"):
        search(tmp_path / "e.zarr")


def test_slides_of_one_name_get_keys_that_differ(tmp_path: Path) -> None:
    touch(tmp_path, "s1.svs", "s1.tif", "a b.tif", "a.b.tif", "c.tif")
    found = listed(tmp_path)
    keys = [slide.key for slide in found.slides]
    assert keys[3:] == ["s1_svs", "s1_tif"]
    assert keys[2] == "c"
    assert keys[0] != keys[1]
    assert all(key.startswith("a_b_") for key in keys[:2])
    assert len(set(keys)) == 5
    assert not any(slide.error for slide in found.slides)
    assert found.notes[0].startswith("4 slides share their names: their tiles are called ")


def test_keys_differ_whatever_the_names(tmp_path: Path) -> None:
    names = ["s.svs", "s.tif", "s_svs.tif", "s/svs.tif", "s svs.tif", "x" * 200 + "a.tif", "x" * 200 + "b.tif"]
    keys = distinct_keys(names, [f"/in/{name}" for name in names])
    assert len(set(keys)) == len(names)
    assert keys == distinct_keys(names, [f"/in/{name}" for name in names])


def test_an_annotation_that_fits_two_slides_fails_these_two_alone(tmp_path: Path) -> None:
    touch(tmp_path, "s1.svs", "s1.tif", "s1.geojson", "s2.svs", "s2.geojson")
    errors = {slide.key: slide.error for slide in listed(tmp_path, wants_labels=True).slides}
    assert errors["s2"] == ""
    assert all("s1.geojson fits 2 slides" in errors[key] for key in ("s1_svs", "s1_tif"))
    shutil.move(tmp_path / "s1.geojson", tmp_path / "s1.svs.geojson")
    touch(tmp_path, "s1.tif.geojson")
    assert not any(slide.error for slide in listed(tmp_path, wants_labels=True).slides)


def test_an_annotation_is_found_in_another_letter_case_and_unicode_form(tmp_path: Path) -> None:
    name = "Müller"
    touch(tmp_path, unicodedata.normalize("NFD", name) + ".tif", unicodedata.normalize("NFC", name) + ".geojson")
    touch(tmp_path, "S1.tif", "s1.geojson", "S2.tif", "s2.geojson", "S2.geojson")
    found = {Path(slide.path).stem: Path(slide.labels or "") for slide in listed(tmp_path, wants_labels=True).slides}
    assert found["S1"].name == "s1.geojson"
    assert found["S2"].name == "S2.geojson"
    assert sum(path.suffix == ".geojson" for path in found.values()) == 3


def test_annotations_that_nobody_asked_for_are_mentioned(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "field.png")
    touch(tmp_path, "field.zip")
    assert listed(tmp_path).notes == ("annotations of 1 slide were not read: no --classes were given",)
    assert listed(tmp_path, wants_labels=True).notes == ()


def test_um_per_px_of_a_row_go_before_those_of_all_slides(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "b.tif")
    rows = (
        PatientRow(file="a", patient="p", split="train", mpp=0.3),
        PatientRow(file="b", patient="q", split="test"),
    )
    found = listed(tmp_path, patients=Patients(rows=rows), mpp=0.5, mpp_if_unstated=0.7).slides
    assert [(slide.mpp, slide.mpp_if_unstated) for slide in found] == [(0.3, 0.7), (0.5, 0.7)]


@pytest.mark.parametrize(("slides", "masks"), [("slides", "masks"), ("images", "ground_truth"), (".", "Labels")])
def test_pictures_in_a_folder_of_masks_are_no_slides(slides: str, masks: str, tmp_path: Path) -> None:
    for folder in (slides, masks):
        (tmp_path / folder).mkdir(exist_ok=True)
        touch(tmp_path / folder, "s1.tif", "s2.tif")
    touch(tmp_path / masks, "other.tif")
    found = search(tmp_path)
    cut = {each.relative for each in found.slides}
    assert cut == {(Path(slides) / name).as_posix() for name in ("s1.tif", "s2.tif")} | {f"{masks}/other.tif"}
    assert "2 pictures annotate slides" in found.notes[0]
    errors = [slide.error for slide in listed(tmp_path, wants_labels=True).slides]
    assert all("--annotations names the folder" in error for error in errors)
    named = listed(tmp_path, wants_labels=True, annotations=tmp_path / masks).slides
    assert {Path(slide.path).name for slide in named if not slide.error} == {"s1.tif", "s2.tif"}


def test_slides_of_one_name_in_several_named_folders_are_told_apart_by_the_patients_file(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        touch(tmp_path / name, "s.tif")
    rows = [PatientRow(file=f"{name}/s.tif", patient=name, split="train") for name in "ab"]
    given = {"patients": Patients(rows=tuple(rows))}
    assert [slide.patient for slide in listed(tmp_path / "a", tmp_path / "b", **given).slides] == ["a", "b"]
    one = Patients(rows=(PatientRow(file="s.tif", patient="a", split="train"),))
    with pytest.raises(SourceError, match=r"2 files of the slides are called s\.tif: write the path, a/s\.tif"):
        listed(tmp_path / "a", tmp_path / "b", patients=one)


def test_rows_of_the_patients_file_that_are_of_no_slide_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "s1.tif")
    rows = [PatientRow(file=name, patient=name, split="train") for name in ("s*", "sl.tif")]
    assert (
        "1 row of the patients' file is of no slide: sl.tif" in listed(tmp_path, patients=Patients(rows=(*rows,))).notes
    )
