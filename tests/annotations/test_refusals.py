"""Annotation files that cannot be read, and such as mean harm: refused with a sentence and a hint."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from roifile import ImagejRoi

from augengine.annotations import open_labels
from augengine.errors import SourceError
from tests.support.annotation_files import read, zip_files, zip_rois

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", b"", "is empty"),
        ("x.json", b" \n", "is empty"),
        ("x.json", b'{"type": "FeatureCollection", "features": [', "no valid json"),
        ("x.json", b'{"type": "FeatureCollection"}', "no list of features"),
        ("x.json", b'{"mpp": 0.5, "patient": "p1"}', "no annotations .*'mpp', 'patient'"),
        ("x.json", b"[1, 2]", "no annotations .a list of 2"),
        ("x.json", b"[" * 100_000, "nested too deep"),
        ("x.json", b"[" + b"1" * 5000 + b"]", "no valid json"),
        ("x.json", b'["\xff"]', "no valid json"),
        ("x.xml", b"<ASAP_Annotations><Annotations>", "no valid xml"),
        ("x.xml", b"<svg/>", "unknown kind .<svg>"),
        ("x.xml", b"<a>" * 100_000, "nested too deep"),
        ("x.xml", b'<?xml version="1.0" encoding="klingon"?><a/>', "no valid xml"),
        ("x.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><Annotations>&b;</Annotations>', "document type"),
        ("x.xml", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Annotations/>', "document type"),
        ("x.csv", b"a;b\n1;2\n", "no column of WKT"),
        ("x.zip", b"PK\3\4 and then nothing", "no whole zip"),
        ("x.zip", zip_rois(), "neither a .roi file nor a .geojson"),
        ("x.zip", zip_rois(ImagejRoi.frompoints(np.array(SQUARE)))[:60], "no whole zip"),
        ("x.zip", zip_files({"a.geojson": b"[]", "b.json": b"[]"}), "several annotation files: a.geojson, b.json"),
        ("x.zip", zip_files({"a.geojson": b"[]", "b.roi": b"Iout"}), "several annotation files: a.geojson, b.roi"),
        ("x.zip", zip_files({"a.geojson": b'{"type'}), "no valid json"),
        ("x.zip", zip_files({}), "neither a .roi file nor a .geojson"),
        ("x.json", b"\xef\xbb\xbf\r\n", "is empty"),
        ("x.ndpa", b"<annotations><ndpviewstate id='1'/></annotations>", "Hamamatsu's .ndpa"),
        ("x.json", b'{"images": [], "annotations": [], "categories": []}', "is COCO's json"),
        ("x.gpkg", b"SQLite format 3\0 and pages", "is a GeoPackage"),
        ("x.qpdata", b"\xac\xed\0\5 and objects", "data file of a QuPath project"),
        ("x.geojson.gz", b"\x1f\x8b\x08", "packed with gzip"),
        ("x.svs", b"\0\1\2 whatever", "no annotation file"),
        ("x.txt", b"nothing here", "no column of WKT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # roifile draws names of its own
)
def test_a_file_that_cannot_be_read_is_refused_with_a_hint(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=words) as refusal:
        read(tmp_path / name, content)
    assert refusal.value.hint


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        open_labels(tmp_path / "gone.json", slide_width=100, slide_height=80)


@pytest.mark.parametrize(("name", "words"), [("s1.zarr", "is an OME-Zarr"), ("s1", "is a folder")])
def test_a_folder_is_refused(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match=words):
        open_labels(tmp_path / name, slide_width=100, slide_height=80)


def test_a_file_beyond_the_bound_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with file.open("wb") as opened:
        opened.truncate((256 << 20) + 1)
    with pytest.raises(SourceError, match="268435456 are allowed"):
        open_labels(file, slide_width=100, slide_height=80)


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    data = bytearray(zip_rois(ImagejRoi.frompoints(np.array(SQUARE))))
    entry = data.index(b"PK\1\2")
    data[entry + 24 : entry + 28] = struct.pack("<I", 2_000_000_000)
    with pytest.raises(SourceError, match="unpacks to 2000000000 bytes"):
        read(tmp_path / "x.zip", bytes(data))
