"""Annotations: small files of every format, and large regular ones that cost most where an algorithm is quadratic."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from roifile import ROI_TYPE, ImagejRoi

from augengine.annotations import open_labels
from augengine.errors import AugengineError
from tests.support.annotation_files import mask_shape, zip_files
from tests.support.fuzz_strategies import drawings

SIDE = 64
Named = tuple[str, bytes]
Ring = list[tuple[float, float]]


def made_up() -> st.SearchStrategy[Named]:
    """A file by its name and its bytes."""
    return st.one_of(drawings(), drawings(), _rois(), _large(), _large(), _masks(), _packed())


@st.composite
def _rois(draw: st.DrawFn) -> Named:
    rois = []
    for _ in range(draw(st.integers(1, 4))):
        points = draw(st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), min_size=1, max_size=12))
        roi = ImagejRoi.frompoints(np.array(points, np.float32), name="a-1")
        data = bytearray(roi.tobytes())
        data[6] = draw(st.sampled_from([int(kind) for kind in ROI_TYPE if kind >= 0] + [255]))
        for at in draw(st.lists(st.integers(0, 63), max_size=3)):  # where types, sizes and offsets stand
            data[at] = draw(st.sampled_from([0, 1, 127, 128, 255]))
        rois.append(bytes(data))
    return "x.zip", _damaged(draw, zip_files({f"{i:04d}-0001.roi": data for i, data in enumerate(rois)}))


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    if draw(st.integers(0, 2)):
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + draw(st.binary(max_size=6)) + data[at + draw(st.integers(0, 6)) :]


def _star(count: int, jump: int) -> Ring:
    """A ring whose edges cross each other as often as ``jump`` asks for."""
    angles = 2 * np.pi * ((np.arange(count) * jump) % count) / count
    return [(32 + 30 * float(np.cos(each)), 32 + 30 * float(np.sin(each))) for each in angles]


def _comb(count: int, slant: float) -> Ring:
    teeth = [(60 * i / count + (slant if i % 2 else 0), 2 + 58 * (i % 2)) for i in range(count)]
    return [*teeth, (62.0, 0.0), (0.0, 0.0)]


def _squares(count: int, side: float) -> list[Ring]:
    per_row = max(1, int(count**0.5))
    step = 60 / per_row
    corners = [(step * (i % per_row), step * (i // per_row)) for i in range(count)]
    return [[(x, y), (x + side, y), (x + side, y + side), (x, y + side)] for x, y in corners]


@st.composite
def _large(draw: st.DrawFn) -> Named:
    """Many corners, rings or objects, regular: what a budget must stop or an algorithm bear."""
    count = draw(st.sampled_from([50, 400, 3000, 20_000]))
    match draw(st.sampled_from(["star", "comb", "squares", "holes", "one of many"])):
        case "star":
            rings = [_star(count, draw(st.sampled_from([1, 2, 7, count // 2 - 1])))]
            return _geojson([rings])
        case "comb":
            return _geojson([[_comb(count, draw(st.sampled_from([0.0, 0.01, 30.0])))]])
        case "squares":
            return _geojson([[ring] for ring in _squares(count, draw(st.sampled_from([0.1, 1.0, 5.0])))])
        case "holes":
            return _geojson([[[(0, 0), (64, 0), (64, 64), (0, 64)], *_squares(count, 0.1)]])
        case _:
            return _geojson([_squares(count, draw(st.sampled_from([0.1, 2.0])))])


def _geojson(polygons: list[list[Ring]]) -> Named:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]},
            "properties": {"classification": {"name": "a"}},
        }
        for rings in polygons
    ]
    return "x.geojson", json.dumps({"type": "FeatureCollection", "features": features}).encode()


@st.composite
def _masks(draw: st.DrawFn) -> Named:
    """Objects that are drawn as pictures, among them noise, and sizes that are not the picture's."""
    side = draw(st.sampled_from([1, 8, 300]))
    noise = np.random.default_rng(draw(st.integers(0, 3))).integers(0, 2, (side, side))
    shapes: list[dict[str, Any]] = [mask_shape("a", noise.astype(np.uint8), left=draw(st.integers(-9, 70)), top=3)]
    shapes[0]["points"] = draw(st.sampled_from([shapes[0]["points"], [[0, 0], [1e6, 1e6]], [[0, 0]], [], None]))
    return "x.json", json.dumps({"shapes": shapes, "imageWidth": 64, "imageHeight": 64}).encode()


@st.composite
def _packed(draw: st.DrawFn) -> Named:
    """Zips: of files that are no annotations, of many, and of one that unpacks to much."""
    match draw(st.sampled_from(["few", "many", "bomb"])):
        case "few":
            files = {draw(st.text(min_size=1, max_size=5)): draw(drawings())[1] for _ in range(draw(st.integers(0, 3)))}
            return "x.zip", _damaged(draw, zip_files(files))
        case "many":
            return "x.zip", zip_files({f"{i}.roi": b"Iout" for i in range(draw(st.sampled_from([10, 3000])))})
        case _:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
                opened.writestr("a.geojson", b'{"type":"FeatureCollection","features":[' + b" " * (40 << 20) + b"]}")
            return "x.zip", packed.getvalue()


def holds(value: Named, folder: Path) -> bool:
    """It gives labels whose mask holds what was asked for, or it is refused."""
    file = folder / value[0]
    file.write_bytes(value[1])
    try:
        labels = open_labels(file, slide_width=SIDE, slide_height=SIDE, default_class="a")
    except AugengineError:
        return False
    mask = labels.mask(-3, -3, downsample=1.5, height=50, width=50, classes={"a": 1, "b": 2})
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert all(problem.isprintable() for problem in labels.problems)
    return True
