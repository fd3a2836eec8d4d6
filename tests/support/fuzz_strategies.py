"""Shards, drawings and pictures that hypothesis makes up: half right, so that readers get past the first check."""

from __future__ import annotations

import json
import tarfile
import tracemalloc
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.hostile_files import mask, pictures, sidecar
from tests.support.pictures import class_ids, encode

BRIEF = settings(max_examples=30, deadline=None, derandomize=True, database=None)
LONG = settings(max_examples=1000, deadline=None, database=None)


MAX_BYTES = 48 << 20
"""What Python may allocate, numpy included, for a file of some kilobytes; a whole slide's annotations may take more."""


def fuzz(strategy: st.SearchStrategy[Any], law: Callable[[Any], None], *, long: bool) -> None:
    """Try a law on many values, always the same few or new ones each time; it must hold in little memory."""

    def tried(value: Any) -> None:
        tracemalloc.start()
        try:
            law(value)
            assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
        finally:
            tracemalloc.stop()

    (LONG if long else BRIEF)(given(strategy)(tried))()


# Shards

_STEMS = st.one_of(
    st.sampled_from(
        [
            "k",
            "k0",
            "k_mask",
            "images/k",
            "masks/k",
            "a/b",
            "..",
            ".",
            "",
            "/etc/x",
            "a\\b",
            "__x__",
            "\x1b[2J",
            "é" * 60,
            "x" * 200,
        ]
    ),
    st.text(max_size=8),
)
_EXTENSIONS = st.one_of(
    st.sampled_from(["png", "seg.png", "label.png", "json", "cls", "PNG", "jpg", "tif", "", "p ng", "a/b"]),
    st.text(max_size=5),
)
_BODIES = st.one_of(
    st.sampled_from(
        [*pictures().values(), mask(), sidecar(), b"", b"{}", b'{"mpp": 1e999}', b"[]", b'{"a": "\\ud800"}']
    ),
    st.binary(max_size=600),
)
_KINDS = st.one_of(
    st.just(tarfile.REGTYPE),
    st.sampled_from([bytes([byte]) for byte in b"\x001234567LKxgXS"]),
)
_RECORDS = st.dictionaries(
    st.sampled_from(["path", "size", "linkpath", "GNU.sparse.major", "GNU.sparse.map", "mtime", "hdrcharset"]),
    st.one_of(st.sampled_from(["0", "-1", "1", "99999999999999", "1,2,3", "BINARY", "../x"]), st.text(max_size=6)),
    max_size=3,
)


@st.composite
def _member(draw: st.DrawFn) -> bytes:
    info = tarfile.TarInfo("n")
    body = draw(_BODIES)
    info.name = f"{draw(_STEMS)}.{draw(_EXTENSIONS)}".replace("\0", "")
    info.type, info.size = draw(_KINDS), len(body)
    info.linkname = draw(st.sampled_from(["", "/etc/passwd", "../x"]))
    if draw(st.integers(0, 5)) == 0:
        info.size = draw(st.sampled_from([0, 1, 511, 1 << 20, 1 << 40]))
    form = draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    if form == tarfile.PAX_FORMAT:
        info.pax_headers = {name: value.replace("\0", "") for name, value in draw(_RECORDS).items()}
    try:
        head = info.tobuf(cast(Any, form), errors="replace")
    except ValueError:  # this name does not fit this format
        info.name = "long.png"
        head = info.tobuf(tarfile.GNU_FORMAT)
    return head + body + bytes(-len(body) % 512)


@st.composite
def shards(draw: st.DrawFn) -> bytes:
    """Tars of members of all kinds, perhaps cut, perhaps with something in between."""
    parts = draw(st.lists(st.one_of(_member(), _member(), _member(), st.binary(max_size=512)), max_size=6))
    data = b"".join(parts) + bytes(draw(st.sampled_from([0, 512, 1024, 10240])))
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


# Annotations

_NUMBERS = st.one_of(
    st.integers(-20, 80),
    st.floats(-20, 80),
    st.sampled_from([0, 1e7, -1e7, 1e308, float("nan"), float("inf"), None, "1"]),
)
_COORDINATES = st.integers(0, 64).map(float)
_RINGS = st.one_of(
    st.lists(st.tuples(_COORDINATES, _COORDINATES), max_size=30),
    st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=6),
    st.lists(_NUMBERS, max_size=4),
)
_PARTS = st.lists(st.fixed_dictionaries({"type": st.just("Polygon"), "coordinates": st.lists(_RINGS, max_size=2)}))
_POLYGONS = st.lists(st.lists(_RINGS, max_size=3), max_size=2)
_GEOMETRIES = st.fixed_dictionaries(
    {"type": st.sampled_from(["Polygon", "MultiPolygon", "Point", "LineString", "GeometryCollection", 5])},
    optional={
        "coordinates": st.one_of(st.lists(_RINGS, max_size=3), _POLYGONS, _NUMBERS),
        "geometries": _PARTS,
    },
)
_CLASSES = st.one_of(st.sampled_from(["a", "b", None, 5, "\x1b[2J"]), st.text(max_size=4))
_NAMED = st.fixed_dictionaries({"classification": st.one_of(st.none(), st.fixed_dictionaries({"name": _CLASSES}))})
_FEATURES = st.fixed_dictionaries(
    {"geometry": st.one_of(_GEOMETRIES, _GEOMETRIES, _GEOMETRIES, st.none(), st.integers())},
    optional={
        "properties": st.one_of(st.none(), _NAMED),
        "type": st.just("Feature"),
    },
)
_SHAPES = st.fixed_dictionaries(
    {"label": _CLASSES, "points": st.one_of(_RINGS, st.none())},
    optional={"shape_type": st.sampled_from(["polygon", "circle", "rectangle", "line", 3])},
)
_WKT = st.recursive(
    st.sampled_from(["1 1", "9 1", "9 9", "nan inf", "1e999 0", "EMPTY", "-"]),
    lambda inner: st.tuples(
        st.sampled_from(["", "", "POLYGON", "MULTIPOLYGON Z", "GEOMETRYCOLLECTION", "CURVEPOLYGON", "TIN", "POINT"]),
        st.lists(inner, max_size=5),
    ).map(lambda pair: f"{pair[0]}({', '.join(pair[1])})"),
    max_leaves=20,
)
_XML_RINGS = st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=8).map(
    lambda ring: "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ring)
)
_REGIONS = st.tuples(st.sampled_from(["0", "1", "", "x"]), st.sampled_from(["0", "2", "3", "9"]), _XML_RINGS).map(
    lambda r: f'<Region NegativeROA="{r[0]}" Type="{r[1]}"><Vertices>{r[2]}</Vertices></Region>'
)


def _aperio(regions: list[str]) -> tuple[str, bytes]:
    inside = f"<Regions>{''.join(regions)}</Regions>"
    return "x.xml", f'<Annotations><Annotation Name="a">{inside}</Annotation></Annotations>'.encode()


def drawings() -> st.SearchStrategy[tuple[str, bytes]]:
    """Annotation files: a name, which tells some formats, and what is in it."""
    geojson = st.lists(_FEATURES, max_size=4).map(lambda found: {"type": "FeatureCollection", "features": found})
    labelme = st.lists(_SHAPES, max_size=4).map(lambda found: {"shapes": found, "imageWidth": 64, "imageHeight": 64})
    cytomine = st.lists(st.fixed_dictionaries({"location": st.one_of(_WKT, _NUMBERS), "term": _CLASSES}), max_size=4)
    documents = st.one_of(geojson, labelme, cytomine).map(lambda value: ("x.json", json.dumps(value).encode()))
    tables = st.lists(_WKT, max_size=4).map(
        lambda rows: ("x.csv", "\n".join(["wkt", *(f'"{w}"' for w in rows)]).encode())
    )
    layers = st.lists(_REGIONS, max_size=5).map(_aperio)
    return st.one_of(documents, tables, layers, st.binary(max_size=300).map(lambda data: ("x.json", data)))


# Pictures

_WHOLE = [*pictures().values(), mask(), encode(class_ids(), "TIFF"), encode(class_ids(), "BMP")]
_MAGICS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBPVP8L",
]


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Pictures with bytes changed where sizes and types stand, or nothing but a beginning."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(_MAGICS)) + draw(st.binary(max_size=200))
    data = draw(st.sampled_from(_WHOLE))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.one_of(st.integers(0, 200), st.integers(0, len(data))))
        piece = draw(st.binary(min_size=1, max_size=8))
        data = data[:at] + piece + data[at + draw(st.sampled_from([0, len(piece), len(piece), 40])) :]
    return data
