"""The picture of a slide draws what a user must be able to see: outlines, what was skipped, tiles and tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augengine.annotations import open_labels
from augengine.pictures.arrays import RgbImage
from augengine.tiling.overview import Overview, draw_overview
from augengine.tiling.places import Place
from augengine.tiling.spec import TileSpec
from tests.support.annotation_files import write_geojson

SPEC = TileSpec(classes=(("glomerulus", 1),))
GREEN, GREY, DARK, ORANGE, RED = (0, 158, 60), (120, 120, 120), (20, 20, 20), (255, 160, 0), (230, 57, 70)


def drawn(folder: Path, spec: TileSpec = SPEC) -> RgbImage:
    """A white slide of 800 x 600 px, seen at half its size, with tissue on its left and four objects."""
    from shapely import box

    file = write_geojson(
        folder / "s.geojson",
        [("Glomerulus", box(100, 100, 300, 300)), ("vessel", box(400, 100, 500, 200)), ("", box(100, 400, 500, 500))],
    )
    labels = open_labels(file, slide_width=800, slide_height=600)
    tissue = np.zeros((300, 400), bool)
    tissue[:, :100] = True
    overview = Overview(
        rgb_hwc=np.full((300, 400, 3), 250, np.uint8),
        downsample=2.0,
        tissue=tissue,
        side=128.0,
        places=[Place(600, 400, "tissue")],
        labels=labels,
    )
    return draw_overview(overview, spec)


def has(picture: RgbImage, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (picture == np.array(colour, np.uint8)).all(axis=2)
    return found


def test_outlines_have_the_colour_of_their_class_and_lie_where_they_were_drawn(tmp_path: Path) -> None:
    picture = drawn(tmp_path)[-300:]
    rows, columns = np.nonzero(has(picture, GREEN))
    bounds = [rows.min(), rows.max(), columns.min(), columns.max()]
    assert all(abs(found - true) <= 1 for found, true in zip(bounds, (50, 150, 50, 150), strict=True)), bounds
    assert not has(picture, GREEN)[60:140, 60:140].any()
    assert has(picture, GREY)[50:101, 200:251].any()


def test_a_skipped_object_is_dashed(tmp_path: Path) -> None:
    upper = has(drawn(tmp_path)[-300:], DARK)[199:202, 55:245].any(axis=0)
    assert 0.3 < upper.mean() < 0.7


def test_tiles_and_the_border_of_the_tissue_are_drawn(tmp_path: Path) -> None:
    picture = drawn(tmp_path)[-300:]
    assert has(picture, RED)[200, 300:364].all()
    blended = picture[:, 99].astype(int)
    assert np.abs(blended[:40] - (0.37 * 250 + 0.63 * np.array(ORANGE))).max() < 8
    assert (picture[260:, 150] == 250).all()


def test_a_legend_of_many_classes_takes_several_lines(tmp_path: Path) -> None:
    classes = tuple((f"a class with a very long name, the {i}th", i + 1) for i in range(12))
    one, many = drawn(tmp_path, TileSpec()), drawn(tmp_path, TileSpec(classes=classes))
    assert many.shape[1] == one.shape[1] == 400
    assert many.shape[0] > one.shape[0] + 100
