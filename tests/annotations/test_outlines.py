"""Polygons to pixels: laws that hold wherever, however large and in whatever file they were drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import Polygon

from augengine.annotations import Labels, open_labels
from augengine.annotations.base import Drawn
from augengine.annotations.usable import outline_labels
from augengine.errors import SpecError
from tests.support.annotation_files import (
    write_aperio,
    write_asap,
    write_cytomine,
    write_geojson,
    write_halo,
    write_labelme,
    write_packed_geojson,
    write_rois,
)

SIDE = 600
Mask = NDArray[np.uint8]


def labels(*polygons: tuple[str, Polygon]) -> Labels:
    drawn = [
        Drawn(where="here", name=name, polygons=[[ring.coords for ring in (polygon.exterior, *polygon.interiors)]])
        for name, polygon in polygons
    ]
    return outline_labels(drawn, slide_width=SIDE, slide_height=SIDE, default_class=None)


def whole(
    found: Labels, *, downsample: float = 1.0, side: int = SIDE, classes: Mapping[str, int] | None = None
) -> Mask:
    size = math.ceil(side / downsample)
    return found.mask(0, 0, downsample=downsample, height=size, width=size, classes=classes or {"a": 1})


@st.composite
def stars(draw: st.DrawFn, *, steps: int = 4) -> Polygon:
    """A polygon around a centre, with or without a hole, whose vertices lie on a grid that pixel centres share."""
    x, y = draw(st.integers(150, 450)), draw(st.integers(150, 450))
    radii = draw(st.lists(st.integers(20, 140), min_size=3, max_size=12))
    turn = 2 * math.pi / len(radii)

    def ring(part: float) -> list[tuple[float, float]]:
        points = ((x + part * r * math.cos(turn * k), y + part * r * math.sin(turn * k)) for k, r in enumerate(radii))
        return [(round(px * steps) / steps, round(py * steps) / steps) for px, py in points]

    return Polygon(ring(1.0), [ring(0.5)] if draw(st.booleans()) else [])


@settings(max_examples=25, deadline=None)
@given(stars(), st.sampled_from([1.0, 2.0, 3.7]))
def test_a_pixel_has_a_class_if_its_centre_lies_inside(polygon: Polygon, downsample: float) -> None:
    mask = whole(labels(("a", polygon)), downsample=downsample)
    at = (np.arange(len(mask)) + 0.5) * downsample
    xs, ys = np.meshgrid(at, at)
    disagree = (mask == 1) != shapely.contains_xy(polygon, xs, ys)
    # A centre on an edge has to belong to one side; shapely gives it to neither.
    assert shapely.distance(polygon.boundary, shapely.points(xs[disagree], ys[disagree])).max(initial=0) < 2 / 65536


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), stars()), min_size=1, max_size=4),
    st.sampled_from([1.0, 2.0, 1.1, 2.003, 7.3]),
    st.data(),
)
def test_a_tile_cut_from_a_larger_mask_is_the_tiles_own_mask(
    polygons: Sequence[tuple[str, Polygon]], downsample: float, data: st.DataObject
) -> None:
    found, classes = labels(*polygons), {"a": 1, "b": 2}
    large = whole(found, downsample=downsample, classes=classes)
    left, top = (data.draw(st.integers(0, len(large) - 1), label="corner") for _ in range(2))
    tile = large[top : top + 64, left : left + 64]
    height, width = tile.shape
    own = found.mask(
        left * downsample, top * downsample, downsample=downsample, height=height, width=width, classes=classes
    )
    assert np.array_equal(own, tile)


@settings(max_examples=25, deadline=None)
@given(stars(), st.sampled_from([2.0, 4.0, 0.5]))
def test_drawing_at_a_downsample_is_drawing_the_scaled_polygon(polygon: Polygon, downsample: float) -> None:
    scaled = shapely.transform(polygon, lambda points: points / downsample)
    small = outline_labels(
        [Drawn(where="here", name="a", polygons=[[ring.coords for ring in (scaled.exterior, *scaled.interiors)]])],
        slide_width=2 * SIDE,
        slide_height=2 * SIDE,
        default_class=None,
    )
    size = math.ceil(SIDE / downsample)
    own = small.mask(0, 0, downsample=1, height=size, width=size, classes={"a": 1})
    assert np.array_equal(whole(labels(("a", polygon)), downsample=downsample), own)


@settings(max_examples=25, deadline=None)
@given(stars(steps=1000), st.sampled_from([1.0, 2.0, 2.5, 4.0]))
def test_a_polygon_covers_the_same_tissue_at_every_downsample(polygon: Polygon, downsample: float) -> None:
    mask = whole(labels(("a", polygon)), downsample=downsample)
    rows, columns = np.nonzero(mask)
    # A pixel centre is off by half a pixel at most, and only along the outline.
    rim = polygon.length * downsample
    assert abs(mask.sum() * downsample**2 - polygon.area) < 0.5 * rim + downsample**2
    x, y = ((at.mean() + 0.5) * downsample for at in (columns, rows))
    # Half a pixel where every edge runs through centres, of the outline and of a hole, each by its share of the area.
    shares = (2 * Polygon(polygon.exterior).area - polygon.area) / polygon.area
    assert math.dist((x, y), (polygon.centroid.x, polygon.centroid.y)) < (0.5 * shares + 0.25) * downsample


def test_areas_that_share_an_edge_leave_no_gap_and_no_overlap() -> None:
    rng = np.random.default_rng(3)
    points = shapely.MultiPoint(rng.uniform(0, SIDE, (60, 2)))
    cells = [cell for cell in shapely.get_parts(shapely.delaunay_triangles(points)) if cell.area > 0]
    alone = sum(whole(labels(("a", cell))).astype(int) for cell in cells)
    assert np.asarray(alone).max() == 1
    assert np.array_equal(alone, whole(labels(*(("a", cell) for cell in cells))))
    assert np.array_equal(alone, whole(labels(("a", points.convex_hull))))


def test_the_later_class_wins_where_two_overlap() -> None:
    found = labels(("b", shapely.box(20, 0, 40, 30)), ("a", shapely.box(0, 0, 30, 30)))
    first, second = whole(found, classes={"a": 1, "b": 2}), whole(found, classes={"b": 2, "a": 1})
    assert (first[5, 25], second[5, 25]) == (2, 1)
    assert (first[5, 5], first[5, 35], first[5, 45]) == (1, 2, 0)


def test_a_class_of_id_0_is_cut_out_of_earlier_ones() -> None:
    found = labels(("a", shapely.box(0, 0, 30, 30)), ("artefact", shapely.box(10, 10, 20, 20)))
    assert whole(found, classes={"a": 1, "artefact": 0}).sum() == 900 - 100


def test_objects_of_one_class_that_overlap_add_up() -> None:
    ring = shapely.box(0, 0, 30, 30).difference(shapely.box(10, 10, 20, 20))
    assert whole(labels(("a", ring), ("a", shapely.box(15, 15, 40, 40)))).sum() == 800 + 625 - 225 + 25


def test_class_names_compare_without_case_and_outer_space() -> None:
    found = labels(("  Sclerotic  Glomerulus", shapely.box(0, 0, 4, 4)))
    assert found.classes == {"sclerotic glomerulus"}
    assert len(found.objects("SCLEROTIC GLOMERULUS ")) == 1
    assert whole(found, classes={"sclerotic Glomerulus": 9}).max() == 9


def test_an_unknown_class_is_nowhere() -> None:
    found = labels(("a", shapely.box(0, 0, 4, 4)))
    assert found.objects("b") == ()
    assert not whole(found, classes={"b": 1}).any()


def test_a_tile_beside_the_slide_is_empty() -> None:
    found = labels(("a", shapely.box(0, 0, 9, 9)))
    tile = found.mask(-3000, -5.5, downsample=2, height=7, width=5, classes={"a": 1})
    assert tile.shape == (7, 5)
    assert tile.dtype == np.uint8
    assert not tile.any()


def test_an_object_reaches_beyond_the_slide_as_it_was_drawn() -> None:
    found = labels(("a", shapely.box(-10, 5, 10, 15)))
    (box,) = found.objects("a")
    assert (box.left, box.top, box.right, box.bottom, box.x, box.y) == (-10, 5, 10, 15, 0, 10)


def test_an_outline_that_crosses_itself_keeps_what_it_goes_around() -> None:
    pentagram = [
        (300 + 200 * math.cos(4 * math.pi * k / 5), 300 + 200 * math.sin(4 * math.pi * k / 5)) for k in range(5)
    ]
    drawn = outline_labels(
        [Drawn(where="here", name="a", polygons=[[pentagram]])], slide_width=SIDE, slide_height=SIDE, default_class=None
    )
    assert whole(drawn)[300, 300] == 1
    assert drawn.problems == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"downsample": 0}, "no place"),
        ({"downsample": float("nan")}, "no place"),
        ({"x": float("inf")}, "no place"),
        ({"height": 0}, "no pixels"),
        ({"classes": {"a": 256}}, "0 to 255"),
        ({"classes": {"a": -1}}, "0 to 255"),
    ],
)
def test_a_tile_that_cannot_be_drawn_is_refused(change: dict[str, object], words: str) -> None:
    asked = {"x": 0, "y": 0, "downsample": 1, "height": 4, "width": 4, "classes": {"a": 1}} | change
    with pytest.raises(SpecError, match=words):
        labels(("a", shapely.box(0, 0, 4, 4))).mask(**asked)  # type: ignore[arg-type]


def _write_all(folder: Path, polygons: Sequence[tuple[str, Polygon]]) -> list[Path]:
    return [
        write_geojson(folder / "a.geojson", polygons),
        write_geojson(folder / "b.json", polygons, layout="list"),
        write_asap(folder / "asap.xml", polygons),
        write_aperio(folder / "aperio.xml", polygons),
        write_halo(folder / "halo.annotations", polygons),
        write_packed_geojson(folder / "a.zip", polygons),
        write_cytomine(folder / "cytomine.json", polygons, SIDE),
        write_cytomine(folder / "cytomine.csv", polygons, SIDE),
    ]


@settings(max_examples=15, deadline=None)
@given(st.lists(stars(), min_size=1, max_size=3), st.sampled_from([1.0, 2.0, 3.3]))
def test_every_format_gives_the_same_masks_and_boxes(
    tmp_path_factory: pytest.TempPathFactory, polygons: list[Polygon], downsample: float
) -> None:
    """One class each: ImageScope takes a hole out of its whole layer."""
    named = [(f"class {i}", polygon) for i, polygon in enumerate(polygons)]
    classes = {name: i for i, (name, _) in enumerate(named, start=1)}
    found = [
        open_labels(file, slide_width=SIDE, slide_height=SIDE)
        for file in _write_all(tmp_path_factory.mktemp("drawn"), named)
    ]
    masks = [whole(each, downsample=downsample, classes=classes) for each in found]
    assert masks[0].any()
    for each, mask in zip(found[1:], masks[1:], strict=True):
        assert np.array_equal(mask, masks[0])
        assert all(each.objects(name) == found[0].objects(name) for name in classes)
        assert each.problems == ()


def test_formats_without_holes_give_the_same_masks_too(tmp_path: Path) -> None:
    named = [
        ("a", Polygon([(10.25, 20.5), (200.75, 33), (150, 400.125), (30, 333)])),
        ("a", shapely.box(300, 1, 350, 9)),
    ]
    files = [
        write_geojson(tmp_path / "a.geojson", named),
        write_labelme(tmp_path / "labelme.json", named, width=SIDE, height=SIDE),
        write_rois(tmp_path / "a.rois.zip", named),
    ]
    found = [open_labels(file, slide_width=SIDE, slide_height=SIDE) for file in files]
    assert [len(each.objects("a")) for each in found] == [2, 2, 2]
    masks = [whole(each) for each in found]
    assert masks[0].any()
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
