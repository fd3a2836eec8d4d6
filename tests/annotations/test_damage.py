"""Files damaged at random: labels, or one of our errors; never another exception, warning or wait."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augengine.annotations import open_labels
from augengine.errors import ContentError, SourceError
from tests.support.annotation_files import (
    mask_shape,
    write_aperio,
    write_asap,
    write_cytomine,
    write_geojson,
    write_halo,
    write_labelme,
    write_packed_geojson,
    write_rois,
)
from tests.support.pictures import class_ids, encode

SIDE = 64
_RING = shapely.box(4, 4, 40, 40).difference(shapely.box(10, 10, 20, 20))
_POLYGONS = [("a", _RING), ("b", shapely.Polygon([(30, 30), (60, 33), (44, 61)]))]


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each format, by name."""
    folder = tmp_path_factory.mktemp("intact")
    (folder / "mask.png").write_bytes(encode(class_ids(SIDE, SIDE)))
    (folder / "mask.tif").write_bytes(encode(class_ids(SIDE, SIDE), "TIFF"))
    write_geojson(folder / "a.geojson", _POLYGONS)
    write_asap(folder / "asap.xml", _POLYGONS)
    write_aperio(folder / "aperio.xml", _POLYGONS)
    write_cytomine(folder / "cytomine.json", _POLYGONS, SIDE)
    write_cytomine(folder / "cytomine.csv", _POLYGONS, SIDE)
    write_labelme(folder / "labelme.json", _POLYGONS, width=SIDE, height=SIDE)
    write_rois(folder / "a.rois.zip", _POLYGONS)
    write_halo(folder / "halo.annotations", _POLYGONS)
    write_packed_geojson(folder / "a.zip", _POLYGONS)
    shape = mask_shape("a", class_ids(30, 40), left=5, top=9)
    (folder / "mask.json").write_text(json.dumps({"shapes": [shape], "imageWidth": SIDE, "imageHeight": SIDE}))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


FORMATS = [
    "a.geojson", "asap.xml", "aperio.xml", "cytomine.json", "cytomine.csv", "labelme.json", "a.rois.zip", "mask.png",
    "mask.tif", "halo.annotations", "a.zip", "mask.json",
]  # fmt: skip
# What breaks readers more often than chance would find it.
_PIECES = [
    b"null", b"NaN", b"-1e999", b"9" * 400, b"[[[[", b'"', b"{}", b"\0", b"\xff\xfe", b"<", b"&x;", b"POINT",
    b";", b"\n", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"true", b"[]",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.one_of(st.binary(max_size=8), st.sampled_from(_PIECES))),
        min_size=1,
        max_size=4,
    ),
    end=st.one_of(st.just(1.0), st.floats(0, 1)),
)
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_gives_labels_or_one_of_our_errors(
    intact: dict[str, bytes], name: str, cuts: list[tuple[float, int, bytes]], end: float, tmp_path: Path
) -> None:
    data = intact[name]
    for place, removed, piece in cuts:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + removed :]
    (tmp_path / name).write_bytes(data[: int(end * len(data))])
    _use(tmp_path / name)


def _use(file: Path) -> None:
    try:
        labels = open_labels(file, slide_width=SIDE, slide_height=SIDE, default_class="a")
        mask = labels.mask(3, -2, downsample=1.5, height=50, width=60, classes={"a": 1, "b": 2, "1": 3})
        boxes = [box for name in labels.classes for box in labels.objects(name)]
        rings = [ring for name in labels.classes for ring in labels.outlines(name)] + list(labels.skipped)
    except (SourceError, ContentError):
        return
    assert mask.shape == (50, 60)
    assert set(np.unique(mask)) <= {0, 1, 2, 3}
    assert all(np.isfinite([box.x, box.y]).all() for box in boxes)
    assert all(np.isfinite(ring).all() and len(ring) >= 4 for ring in rings)
    assert all(problem.isprintable() for problem in labels.problems)


_WORDS = [
    "type", "features", "geometry", "geometries", "coordinates", "properties", "classification", "name", "shapes",
    "points", "label", "shape_type", "imageWidth", "imageHeight", "collection", "location", "term", "terms", "id",
    "mask", "names",
]  # fmt: skip
_KINDS = ["Feature", "FeatureCollection", "Polygon", "MultiPolygon", "GeometryCollection", "circle", "mask"]
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(_KINDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5)),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(_VALUES)
def test_json_of_the_right_words_in_the_wrong_places_is_handled(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    file = tmp_path_factory.getbasetemp() / "words.json"
    file.write_text(json.dumps(document))
    _use(file)
