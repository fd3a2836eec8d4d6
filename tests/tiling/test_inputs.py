"""What slides and annotations may be called, where they may lie, and what happens when they change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from shapely import box

from augengine.errors import PlanMismatch, SourceError, SpecError, TargetError
from augengine.shards.verify import verify
from augengine.tiling.finding import find_slides
from augengine.tiling.places import clear_of
from tests.support.annotation_files import write_geojson
from tests.support.datasets import keys, members
from tests.support.pictures import Pixels, decode
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e

OBJECTS: dict[str, Any] = {"classes": ("glomerulus=1",), "centred_on": "glomerulus"}


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    return write_slide(tmp_path / "s.tif", specimen())


def _annotate(folder: Path, name: str, x: int, y: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_geojson(folder / f"{name}.geojson", [("glomerulus", box(x, y, x + 60, y + 60))])


def _masks(folder: Path) -> list[Pixels]:
    return [decode(data) for name, data in members(folder).items() if name.endswith(".seg.png")]


def test_annotations_that_change_are_another_dataset(slide: Path, tmp_path: Path) -> None:
    labels = _annotate(tmp_path / "labels", "s", 400, 300).parent
    assert cut(slide, tmp_path / "out", annotations=labels, **OBJECTS).complete()
    _annotate(labels, "s", 420, 300)
    with pytest.raises(PlanMismatch, match=r"its annotations .*s\.geojson changed"):
        cut(slide, tmp_path / "out", annotations=labels, **OBJECTS)
    _annotate(labels, "s", 400, 300)
    assert cut(slide, tmp_path / "out", annotations=labels, **OBJECTS).resumed == 1


def test_a_slide_of_the_same_name_and_size_is_another_slide(tmp_path: Path) -> None:
    picture = specimen()
    for turned in (picture, picture[:, ::-1]):
        import tifffile

        options: dict[str, Any] = {"photometric": "rgb", "resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(tmp_path / "s.tif", np.ascontiguousarray(turned), **options)
        if turned is picture:
            assert cut(tmp_path / "s.tif", tmp_path / "out", random=3).complete()
    with pytest.raises(PlanMismatch, match="changed"):
        cut(tmp_path / "s.tif", tmp_path / "out", random=3)


def test_a_slide_named_twice_is_tiled_once(tmp_path: Path) -> None:
    (tmp_path / "slides" / "sub").mkdir(parents=True)
    file = write_slide(tmp_path / "slides" / "sub" / "q.tif", specimen())
    assert cut([tmp_path / "slides", file], tmp_path / "out", random=3).complete()
    assert verify(tmp_path / "out").ok
    assert {key.partition("_x")[0] for key in keys(tmp_path / "out")} == {"sub_q"}


def test_slides_of_one_name_have_their_own_patients_and_annotations(tmp_path: Path) -> None:
    for seed, patient in enumerate(("anna", "berta")):
        (tmp_path / "slides" / patient).mkdir(parents=True)
        write_slide(tmp_path / "slides" / patient / "s.tif", specimen(seed=seed))
        _annotate(tmp_path / "labels" / patient, "s", 400, 300 + 40 * seed)
    (tmp_path / "split.csv").write_text("file,patient,split\nanna/s.tif,anna,train\nberta/*,berta,test\n")
    said: dict[str, Any] = {"annotations": tmp_path / "labels", "patients": tmp_path / "split.csv", **OBJECTS}
    summary = cut(tmp_path / "slides", tmp_path / "out", **said)
    assert summary.complete()
    assert [s.slide.split for s in summary.surveys] == ["train", "test"]
    assert [s.places[0].y for s in summary.surveys] == [266, 306]
    (tmp_path / "split.csv").write_text("file,patient,split\ns.tif,anna,train\n")
    with pytest.raises(SourceError, match=r"2 files of the slides are called s\.tif"):
        cut(tmp_path / "slides", tmp_path / "elsewhere", **said)
    shutil.rmtree(tmp_path / "labels")
    _annotate(tmp_path / "labels", "s", 400, 300)
    summary = cut(tmp_path / "slides", tmp_path / "elsewhere", annotations=tmp_path / "labels", **OBJECTS)
    assert summary.failed_slides == 2
    assert all("fits 2 slides" in line for line in summary.failure_lines())


def test_one_slide_in_two_splits_is_refused(slide: Path, tmp_path: Path) -> None:
    copy = tmp_path / "t.tif"
    shutil.copyfile(slide, copy)
    (tmp_path / "split.csv").write_text("file,patient,split\ns.tif,anna,train\nt.tif,berta,test\n")
    with pytest.raises(SourceError, match="are one slide, in two splits"):
        cut([slide, copy], tmp_path / "out", patients=tmp_path / "split.csv", random=1)


def test_missing_annotations_can_be_supplied(slide: Path, tmp_path: Path) -> None:
    other = write_slide(tmp_path / "t.tif", specimen(seed=1))
    labels = _annotate(tmp_path / "labels", "s", 400, 300).parent
    assert not cut([slide, other], tmp_path / "out", annotations=labels, **OBJECTS).complete()
    (labels / "t.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    summary = cut([slide, other], tmp_path / "out", annotations=labels, **OBJECTS)
    assert summary.complete()
    assert summary.resumed == 1
    assert any(line.startswith("t: no object of the class glomerulus") for line in summary.outcome.notes)


def test_every_series_of_a_dicom_folder_is_a_slide(tmp_path: Path) -> None:
    def head(uid: str) -> bytes:
        return bytes(128) + b"DICM" + b"\x20\x00\x0e\x00UI" + len(uid).to_bytes(2, "little") + uid.encode()

    for name, uid in (("a1", "1.2.3"), ("a2", "1.2.3"), ("b1", "1.2.4"), ("c1", "")):
        (tmp_path / f"{name}.dcm").write_bytes(head(uid) if uid else b"no header")
    found = find_slides([str(tmp_path)]).slides
    assert [[file.stem for file in slide.files] for slide in found] == [["a1", "a2"], ["b1"], ["c1"]]


def test_links_are_followed_and_dead_ones_named(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    (tmp_path / "elsewhere").mkdir()
    shutil.move(slide, tmp_path / "elsewhere" / "s.tif")
    (tmp_path / "slides" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "slides" / "loop").symlink_to(tmp_path / "slides")
    (tmp_path / "slides" / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    summary = cut(tmp_path / "slides", tmp_path / "out", random=2)
    assert summary.tiles == 2
    assert summary.failure_lines() == ["gone: it is a link to nothing"]


def test_a_mirax_slides_own_folder_is_no_folder_of_slides(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "Data0000.dat").write_bytes(b"")
    (tmp_path / "s.mrxs").write_bytes(b"")
    found = find_slides([str(tmp_path / "*")]).slides
    assert [slide.relative for slide in found] == ["s.mrxs"]


@pytest.mark.parametrize("name", ["a::b", "ä ö", "x" * 120, "a=b,c"])
def test_odd_names_of_slides_are_tiled(name: str, tmp_path: Path) -> None:
    file = write_slide(tmp_path / f"{name}.tif", specimen())
    assert cut(file, tmp_path / "out", random=2).complete()
    assert verify(tmp_path / "out").ok


def test_a_deep_folder_gives_short_keys_that_differ(tmp_path: Path) -> None:
    folder = tmp_path / "slides" / ("1.2.840." + "9" * 50) / ("1.2.840." + "8" * 50)
    folder.mkdir(parents=True)
    for seed, name in enumerate("ab"):
        write_slide(folder / f"{name}.tif", specimen(seed=seed))
    assert cut(tmp_path / "slides", tmp_path / "out", random=1).complete()
    assert len(set(keys(tmp_path / "out"))) == 2


def test_a_name_that_is_no_text_is_the_error_of_its_slide(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    shutil.move(slide, tmp_path / "slides" / "s.tif")
    bad = os.fsencode(tmp_path / "slides") + b"/b\xff.tif"
    shutil.copyfile(tmp_path / "slides" / "s.tif", bad)
    summary = cut(tmp_path / "slides", tmp_path / "out", random=1)
    assert summary.tiles == 1
    assert len(summary.failure_lines()) == 1
    assert "another coding than UTF-8" in summary.failure_lines()[0]


def test_a_target_that_cannot_be_written_is_not_blamed_on_slides(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / ".augengine").mkdir(parents=True)
    (tmp_path / "out" / ".augengine" / "slides").write_text("in the way")
    with pytest.raises(TargetError, match="cannot write"):
        cut(slide, tmp_path / "out", random=1)


def test_a_slide_of_glass_says_why_it_gives_nothing(tmp_path: Path) -> None:
    glass = write_slide(tmp_path / "s.tif", np.full((300, 300, 3), 244, dtype=np.uint8))
    summary = cut(glass, tmp_path / "out")
    assert summary.complete()
    assert list(summary.outcome.notes) == ["s: no tile of the grid is tissue by 50% or more"]


def test_thousands_of_objects_are_kept_clear_of(slide: Path, tmp_path: Path) -> None:
    cells = [(x, y, x + 6.0, y + 6.0) for x in range(0, 4000, 20) for y in range(0, 4000, 20)]
    x, y = np.arange(4096) % 64 * 60, np.arange(4096) // 64 * 60
    clear = clear_of(cells, 14)(x, y)
    brute = [not any(_overlap(cell, i, j, 14) for cell in cells[:50]) for i, j in zip(x[:8], y[:8], strict=True)]
    assert not clear.any()
    assert clear_of(cells[:50], 14)(x[:8], y[:8]).tolist() == brute


def _overlap(cell: tuple[float, float, float, float], x: int, y: int, side: int) -> bool:
    left, top, right, bottom = cell
    return not (x + side <= left or x >= right or y + side <= top or y >= bottom)


def test_a_class_may_not_be_called_as_tiles_without_objects_are() -> None:
    from augengine.tiling.request import parse_classes
    from augengine.tiling.spec import TileSpec

    with pytest.raises(SpecError, match="tiles cannot be centred on a class called background"):
        TileSpec(mpp=0.5, classes=(("background", 1),), centred_on="background")
    with pytest.raises(SpecError, match="no class with its id"):
        parse_classes(["a=" + "9" * 5000])


def test_a_class_that_a_later_one_covers_is_said(slide: Path, tmp_path: Path) -> None:
    rings = [("Glomerulus", box(400, 300, 440, 340)), ("Cortex", box(320, 200, 560, 500))]
    write_geojson(slide.with_suffix(".geojson"), rings)
    over = cut(slide, tmp_path / "over", classes=("glomerulus=1", "cortex=2"))
    assert [note for note in over.outcome.notes if "no mask has a pixel of id 1" in note]
    under = cut(slide, tmp_path / "under", classes=("cortex=2", "glomerulus=1"))
    assert under.outcome.class_pixels[1] == 400
    assert not under.outcome.notes


@pytest.mark.parametrize(("size", "others"), [((700, 900), 2), ((640, 800), 2), ((350, 450), 0), ((120, 120), 0)])
def test_pictures_of_a_slides_size_are_said(size: tuple[int, int], others: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"photometric": "rgb", "resolution": (20_000, 20_000), "resolutionunit": 3}
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        tif.write(specimen(), **options)
        for seed in (1, 2):
            tif.write(specimen(*size, seed=seed), **options)
    (survey,) = cut(tmp_path / "s.tif", tmp_path / "out").surveys
    said = "2 other pictures of about its size in its file were not cut: save each alone"
    assert survey.problems == ((said,) if others else ())


def test_a_sub_class_alone_is_drawn_as_itself_beside_its_class(slide: Path, tmp_path: Path) -> None:
    write_geojson(slide.with_suffix(".geojson"), [("Glomerulus: sclerosed", box(400, 300, 440, 340))])
    options = {"classes": ("glomerulus=1", "glomerulus: sclerosed=2"), "centred_on": "glomerulus"}
    found = cut(slide, tmp_path / "out", **options)
    assert (found.tiles, found.outcome.class_pixels[2]) == (1, 400)
