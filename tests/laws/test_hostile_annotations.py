"""Annotation files that would take hours, gigabytes or the process: refused by a sentence, whatever their size."""

from __future__ import annotations

import io
import json
import math
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine.annotations import open_labels
from augengine.annotations.packed import MAX_MEMBERS
from augengine.annotations.runs import MAX_OBJECTS
from augengine.errors import ContentError, SourceError
from tests.support.annotation_files import mask_shape, read, zip_files
from tests.support.pictures import encode

SIDE = 1000
_UNPACKED = 30_000_001


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """What Python allocates inside stays below this."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def _feature(ring: list[Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "a"}},
    }


def _scribble(vertices: int) -> list[list[float]]:
    points: list[list[float]] = (np.random.default_rng(vertices).random((vertices, 2)) * 90).round(2).tolist()
    return points


def test_an_outline_that_crosses_itself_too_often_is_named_and_its_neighbours_stay(tmp_path: Path) -> None:
    square = [[10, 10], [30, 10], [30, 30], [10, 30]]
    found = read(tmp_path / "x.geojson", [_feature(square), _feature(_scribble(3000)), _feature(square)])
    assert len(found.objects("a")) == 2
    (problem,) = found.problems
    assert "feature 2 was skipped" in problem
    assert "cross each other" in problem


def test_an_outline_that_crosses_itself_a_little_is_mended(tmp_path: Path) -> None:
    found = read(tmp_path / "x.geojson", [_feature(_scribble(40))])
    assert (len(found.objects("a")), found.problems) == (1, ())


def test_many_tangled_outlines_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cross themselves more than"):
        read(tmp_path / "x.geojson", [_feature(_scribble(3000))] * 20)


def test_a_ring_gone_round_many_times_is_refused(tmp_path: Path) -> None:
    ring = [[0, 0], [90, 0], [90, 70], [0, 70]]
    with pytest.raises(SourceError, match="cross themselves more than"):
        read(tmp_path / "x.geojson", [_feature(ring * 400)] * 3)
    with pytest.raises(ContentError, match="the boxes of its 12000 edges overlap more than"):
        read(tmp_path / "y.geojson", [_feature(ring * 3000)])


def test_circles_that_stand_for_too_many_vertices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augengine.annotations.usable.MAX_VERTICES", 100_000)
    circle = {"label": "a", "shape_type": "circle", "points": [[50, 40], [9e6, 40]]}
    with pytest.raises(SourceError, match="more than 100000 vertices"):
        read(tmp_path / "x.json", {"shapes": [circle] * 100})


def test_negative_regions_that_meet_all_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augengine.annotations.aperio.MAX_NEGATIVE_PAIRS", 50)
    corners = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ((1, 1), (9, 1), (9, 9)))
    region = f'<Region NegativeROA="{{}}"><Vertices>{corners}</Vertices></Region>'
    regions = region.format(1) * 10 + region.format(0) * 10
    document = f'<Annotations><Annotation Name="a"><Regions>{regions}</Regions></Annotation></Annotations>'
    with pytest.raises(SourceError, match="negative regions of layer 1"):
        read(tmp_path / "x.xml", document)


@pytest.mark.parametrize(("limit", "words"), [("PIXELS", "pixels"), ("RUNS", "runs of pixels")])
def test_masks_that_are_too_much_together_are_refused(
    limit: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"augengine.annotations.mask_shapes.MAX_{limit}_IN_ALL", 1000)
    shape = mask_shape("a", np.ones((30, 30), bool), left=0, top=0)
    assert read(tmp_path / "x.json", {"shapes": [shape]}).classes == {"a"}
    with pytest.raises(SourceError, match=f"more than 1000 {words} together"):
        read(tmp_path / "x.json", {"shapes": [shape] * 40})


def test_a_mask_larger_than_allowed_is_not_decoded(tmp_path: Path) -> None:
    shape = mask_shape("a", np.ones((8000, 9000), bool), left=0, top=0)
    with at_most(2), pytest.raises(ContentError, match="a mask of 9000 x 8000 px"):
        read(tmp_path / "x.json", {"shapes": [shape]})


def test_a_mask_of_noise_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((700, 700)) > 0.5
    with pytest.raises(ContentError, match="runs of pixels"):
        read(tmp_path / "x.json", {"shapes": [mask_shape("a", noise, left=0, top=0)]})


def test_a_geojson_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    data = zip_files({"s1.geojson": bytes(300 << 20)})
    assert len(data) < 1 << 20
    with at_most(4), pytest.raises(SourceError, match="unpacks to 314572800 bytes"):
        read(tmp_path / "x.zip", data)


@pytest.mark.parametrize("inner", ["MULTISURFACE(", "CURVEPOLYGON(", "COMPOUNDCURVE(", "GEOMETRYCOLLECTION("])
def test_text_nested_deep_is_a_problem_and_does_not_end_the_process(inner: str, tmp_path: Path) -> None:
    nested = f"GEOMETRYCOLLECTION({inner * 50_000}"
    found = read(tmp_path / "x.csv", f'wkt,term\n"{nested}",a\n"POLYGON((1 1, 9 1, 9 9, 1 1))",a\n')
    assert len(found.objects("a")) == 1
    assert len(found.problems) == 1


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "<a>" * 100_000])
def test_nesting_without_end_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nested too deep"):
        read(tmp_path / "x.json", text)


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9))
    with pytest.raises(SourceError, match="document type"):
        read(tmp_path / "x.xml", f'<!DOCTYPE a [<!ENTITY l0 "ha">{lol}]><Annotations>&l8;</Annotations>')


def test_files_larger_than_any_annotation_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as sparse:
        sparse.truncate(300 << 20)
    with at_most(1), pytest.raises(SourceError, match="are allowed"):
        open_labels(tmp_path / "x.json", slide_width=SIDE, slide_height=SIDE)


def _zip(method: int, size: int, names: int = 1) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as opened:
        for number in range(names):
            opened.writestr(f"{number}.roi", bytes(size))
    return packed.getvalue()


def _lie(data: bytes, *, size: int) -> bytes:
    """The zip with another size stated for its only member, twice."""
    lying, entry = bytearray(data), data.rindex(b"PK\1\2")
    for place in (22, entry + 24):
        lying[place : place + 4] = struct.pack("<I", size)
    return bytes(lying)


def test_a_zip_that_states_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with at_most(40), pytest.raises(SourceError, match="unpacks to"):
        read(tmp_path / "x.zip", _lie(_zip(zipfile.ZIP_DEFLATED, 1000), size=1 << 31))


def test_a_zip_that_states_too_little_is_unpacked_no_further(tmp_path: Path) -> None:
    data = _lie(_zip(zipfile.ZIP_DEFLATED, _UNPACKED), size=100)
    with at_most(10), pytest.raises(SourceError, match="no whole zip"):
        read(tmp_path / "x.zip", data)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_unpacking_has_no_bound_are_refused(method: int, tmp_path: Path) -> None:
    data = _lie(_zip(method, _UNPACKED), size=100)
    with at_most(10), pytest.raises(SourceError, match="another method"):
        read(tmp_path / "x.zip", data)


def test_a_zip_of_too_many_files_is_refused_by_its_directory(tmp_path: Path) -> None:
    with at_most(300), pytest.raises(SourceError, match="files"):
        read(tmp_path / "x.zip", _zip(zipfile.ZIP_STORED, 0) + b"PK\1\2" * (MAX_MEMBERS + 1))


@pytest.mark.parametrize("number", ["1e999", "-1e308", "NaN"])
def test_numbers_beyond_all_bounds_are_a_problem_of_their_object(number: str, tmp_path: Path) -> None:
    features = [_feature([[0, 0], [1, 0], [1, 1]]), _feature([[0, 0], [2, 0], [2, 2]])]
    document = json.dumps(features).replace("[1, 0]", f"[{number}, 0]")
    assert len(read(tmp_path / "x.geojson", document).problems) == 1
    wkt = f"POLYGON ((0 0, {number} 0, 1 1, 0 0))"
    with pytest.raises(ContentError, match="only object"):
        read(tmp_path / "x.csv", f'wkt,term\n"{wkt}",a\n')


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no valid json"):
        read(tmp_path / "x.geojson", "[" + "9" * 5000 + "]")


def teeth(count: int) -> list[list[float]]:
    """One outline of long diagonal teeth that never cross, but whose boxes all overlap."""
    points = []
    for i in range(count):
        start = 200.0 * i / count
        ends = [[start, 0.0], [start + 350, 350.0]]
        points += ends if i % 2 == 0 else ends[::-1]
    return [*points, [590.0, 351.0], [591.0, -9.0], [0.0, -9.0]]


def test_an_outline_whose_boxes_all_overlap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="the boxes of its 16003 edges overlap more than"):
        read(tmp_path / "x.geojson", [_feature(teeth(8000))])
    assert read(tmp_path / "few.geojson", [_feature(teeth(300))]).objects("a")


def test_many_such_outlines_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augengine.annotations.crossings.MAX_BOX_PAIRS_IN_ALL", 9_000_000)
    with pytest.raises(SourceError, match="the boxes of the outlines' edges overlap more than 9000000 times"):
        read(tmp_path / "x.geojson", [_feature(teeth(8000))] * 3)


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["squares", "teeth", "holes"])
def test_the_cases_are_done_or_refused_in_time(name: str, safety_cases: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(safety_cases / "outlines.py"), "g"], cwd=tmp_path, check=True)
    own = ["--slide-mpp", "0.5", "--mpp", "0.5", "--size", "256", "--annotations", f"g/{name}", "--out", "t"]
    classes = ["--classes", "x=1", "--default-class", "x"]
    command = [sys.executable, "-m", "augengine", "tile", "g/p.png", *own, *classes]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == (2 if name == "squares" else 1), done.stdout + done.stderr
    assert "fault of augengine" not in done.stderr


def test_parts_that_touch_each_other_do_not_cross(tmp_path: Path) -> None:
    """Cells, tiles and meshes share edges and corners."""
    corners = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
    grid = [[[[x + dx, y + dy] for dx, dy in corners]] for x in range(66) for y in range(66)]
    feature = {
        "type": "Feature",
        "properties": {"name": "a"},
        "geometry": {"type": "MultiPolygon", "coordinates": grid},
    }
    labels = read(tmp_path / "x.geojson", [feature] * 8)
    assert len(labels.objects("a")) == 8


def test_a_mask_of_a_million_specks_is_refused(tmp_path: Path) -> None:
    side = 2 * (math.isqrt(MAX_OBJECTS) + 1)
    specks = np.zeros((side, side), np.uint8)
    specks[::2, ::2] = 1
    file = tmp_path / "x.png"
    file.write_bytes(encode(specks))
    labels = open_labels(file, slide_width=side, slide_height=side, default_class="a")
    with pytest.raises(ContentError, match=f"more than {MAX_OBJECTS} objects"):
        labels.objects("a")
