"""Where tiles are cut: laws of the places, and the specs that are refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augengine.errors import SpecError
from augengine.json_values import from_json, to_json
from augengine.tiling.places import Frame, Tissue, centred, clear_of, drawn, edge_tiles, grid, meets_any
from augengine.tiling.request import parse_classes
from augengine.tiling.spec import TileSpec

FRAMES = st.builds(
    lambda side, step, columns, rows: Frame(
        width=int(side * columns), height=int(side * rows), side=float(side), step=float(step)
    ),
    side=st.sampled_from([64, 100, 128]),
    step=st.sampled_from([1, 2, 4]),
    columns=st.floats(1, 9),
    rows=st.floats(1, 9),
)


def _inside(frame: Frame, x: int, y: int) -> bool:
    slack = frame.step  # a corner is a whole pixel of the level that is read
    return 0 <= x <= frame.width - frame.side + slack and 0 <= y <= frame.height - frame.side + slack


@given(FRAMES)
def test_a_grid_without_overlap_covers_each_place_once(frame: Frame) -> None:
    corners = grid(frame, overlap=0)
    assert len(corners) == int(frame.width // frame.side) * int(frame.height // frame.side)
    assert all(_inside(frame, x, y) for x, y in corners)
    columns = sorted({x for x, _ in corners})
    assert all(abs(b - a - frame.side) <= 1.5 * frame.step for a, b in itertools.pairwise(columns))


@given(FRAMES, st.integers(0, 60))
def test_neighbours_in_a_grid_overlap_as_asked(frame: Frame, overlap: int) -> None:
    columns = sorted({x for x, _ in grid(frame, overlap=overlap)})
    gaps = [b - a for a, b in itertools.pairwise(columns)]
    # Corners are rounded to whole steps, the last one downwards, so that its tile stays within the slide.
    assert all(abs(gap - (frame.side - overlap)) <= 1.5 * frame.step for gap in gaps)


@given(FRAMES, st.floats(-50, 1500), st.floats(-50, 1500))
def test_a_tile_around_a_point_lies_within_the_slide_and_around_it_where_it_can(
    frame: Frame, x: float, y: float
) -> None:
    corner = centred(frame, (x, y))
    assert _inside(frame, *corner)
    if frame.side / 2 <= x <= frame.width - frame.side / 2 - frame.step:
        assert abs(corner[0] + frame.side / 2 - x) <= frame.step / 2 + 1e-9


def _anywhere(x: Any, y: Any) -> Any:
    return np.ones(np.broadcast(x, y).shape, dtype=bool)


@settings(max_examples=25, deadline=None)
@given(FRAMES, st.integers(0, 5))
def test_more_places_are_a_longer_list_with_the_same_beginning(frame: Frame, seed: int) -> None:
    few, many = (drawn(frame, count, _anywhere, seed=seed, key="slide") for count in (3, 9))
    assert many[: len(few)] == few
    assert len(set(many)) == len(many)
    assert all(_inside(frame, x, y) for x, y in many)


def test_places_depend_on_the_seed_and_on_the_slide() -> None:
    frame = Frame(width=9000, height=9000, side=64, step=1)
    draws = [drawn(frame, 5, _anywhere, seed=seed, key=key) for seed, key in ((0, "a"), (0, "b"), (1, "a"), (0, "a"))]
    assert draws[0] == draws[3]
    assert draws[0] != draws[1] != draws[2] != draws[0]


def test_places_are_spread_over_the_whole_slide() -> None:
    frame = Frame(width=1064, height=1064, side=64, step=1)
    x, y = np.array(drawn(frame, 4000, _anywhere, seed=0, key="slide")).T
    for positions in (x, y):
        quarters = np.histogram(positions, bins=4, range=(0, 1000))[0]
        assert np.abs(quarters - 1000).max() < 120  # four deviations of a binomial


def test_what_is_not_there_is_not_found_and_the_search_ends() -> None:
    frame = Frame(width=900, height=900, side=64, step=1)
    assert drawn(frame, 7, lambda x, y: np.zeros(x.shape, dtype=bool), seed=0, key="slide") == []


def test_the_share_of_tissue_is_that_of_the_pixels() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[:, :15] = True
    tissue = Tissue(mask, downsample=10)
    x, y = np.array([0, 100, 150, 200]), np.zeros(4, dtype=np.int64)
    assert tissue.share(x, y, 100).tolist() == [1, 0.5, 0, 0]


def test_tiles_clear_of_objects_touch_none() -> None:
    clear = clear_of([(100, 100, 200, 200)], 50)
    x = np.array([50, 51, 200, 199, 120])
    assert clear(x, np.full(5, 120)).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("overlap", [0, 40])
@pytest.mark.parametrize(("width", "height"), [(460, 420), (400, 401), (200, 399), (201, 200)])
def test_every_object_lies_in_a_tile_of_the_grid_or_in_one_pushed_inwards(
    width: int, height: int, overlap: int
) -> None:
    frame = Frame(width=width, height=height, side=200.0, step=1.0)
    objects = [(x, y, x + 3.0, y + 3.0) for x in np.arange(0, width - 2, 9.5) for y in np.arange(0, height - 2, 9.5)]
    for each in objects:
        edge = edge_tiles(frame, [each], overlap=overlap)
        tiles = [(x, y, x + 200.0, y + 200.0) for x, y in (*grid(frame, overlap=overlap), *edge)]
        assert meets_any([each], tiles).all()
        assert all(0 <= x <= width - 200 and 0 <= y <= height - 200 for x, y in edge)
        whole = [(x, y, x + 200.0, y + 200.0) for x, y in grid(frame, overlap=overlap)]
        covered = each[2] <= max(t[2] for t in whole) and each[3] <= max(t[3] for t in whole)
        assert bool(edge) == (not covered)


BAD: dict[str, dict[str, Any]] = {
    "mpp must be": {"mpp": 0},
    "a tile's side": {"size": 510},
    "the overlap": {"overlap": 508},
    "the least share": {"min_tissue": 0},
    "the tissue threshold": {"tissue_density": 3},
    "unknown image format": {"image_format": "bmp"},
    "negatives must be": {"negatives": -1},
    "either random or centred": {"random": 3, "centred_on": "glomerulus", "classes": (("glomerulus", 1),)},
    "counted by the object": {"negatives": 3},
    "only tiles of a grid": {"random": 3, "overlap": 8},
    "named twice": {"classes": (("a", 1), ("a", 2))},
    "a class id": {"classes": (("a", 256),)},
    "every class has the id 0": {"classes": (("a", 0),)},
    "not written as names are compared": {"classes": (("Glomerulus", 1),)},
    "centred on hole, whose id is 0": {"classes": (("a", 1), ("hole", 0)), "centred_on": "hole"},
    "has no id": {"centred_on": "glomerulus"},
}


@pytest.mark.parametrize("said", BAD, ids=str)
def test_a_spec_that_makes_no_sense_is_refused(said: str) -> None:
    with pytest.raises(SpecError, match=said):
        TileSpec(**{"mpp": 0.5, **BAD[said]})


def test_a_spec_survives_its_json() -> None:
    spec = TileSpec(mpp=0.5, classes=(("glomerulus", 1), ("tubule", 2)), centred_on="glomerulus", negatives=7)
    assert from_json(TileSpec, to_json(spec)) == spec
    assert from_json(TileSpec, to_json(spec)).digest == spec.digest


def test_classes_are_read_as_they_are_typed() -> None:
    assert parse_classes(["Sclerotic  Glomerulus = 2, tubule=3", "vessel=1"]) == (
        ("sclerotic glomerulus", 2),
        ("tubule", 3),
        ("vessel", 1),
    )
    assert parse_classes(["a, b=1 ,c=2,stage 2, late=3"]) == (("a, b", 1), ("c", 2), ("stage 2, late", 3))
    for bad in ("glomerulus", "=1", "a=b", "a=1.5", "a=1,b"):
        with pytest.raises(SpecError, match="no class with its id"):
            parse_classes([bad])
