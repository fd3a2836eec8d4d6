"""Annotation files that are recognised and not read, each with what stands against it and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from augengine.errors import SourceError

_BY_GEOJSON = "export the slide's outlines as GeoJSON, in level-0 pixels; QuPath does it by File, Export objects"
_BINARY = {
    b"SQLite format 3\0": "a GeoPackage or another database",
    b"\xac\xed\0\5": "the data file of a QuPath project",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "packed with gzip",
}


def refuse_foreign_bytes(data: bytes, file: Path) -> None:
    """Refuse a binary file whose first bytes are known.

    Raises:
        SourceError: It is one.
    """
    for magic, what in _BINARY.items():
        if data.startswith(magic):
            raise SourceError(f"{file} is {what}, which is not read", hint=_BY_GEOJSON)


def refuse_foreign_folder(file: Path) -> None:
    """Refuse a folder, OME-Zarr's among them.

    Raises:
        SourceError: It is one.
    """
    if file.is_dir():
        zarr = any((file / name).is_file() for name in (".zgroup", ".zattrs", ".zarray", "zarr.json"))
        what = "an OME-Zarr" if zarr or file.suffix.lower() == ".zarr" else "a folder"
        raise SourceError(f"{file} is {what}, which is not read as annotations", hint=_BY_GEOJSON)


def refuse_foreign_xml(root: Element, file: Path) -> None:
    """Refuse xml of another program.

    Raises:
        SourceError: It is Hamamatsu's, whose frame needs more of the slide than its size.
    """
    if root.find(".//ndpviewstate") is not None:
        what = "Hamamatsu's .ndpa, which counts nanometres from the middle of the slide's glass, and is not read"
        raise SourceError(f"{file} is {what}", hint=_BY_GEOJSON)


def refuse_foreign_json(document: Any, file: Path) -> None:
    """Refuse json of another program.

    Raises:
        SourceError: It is COCO's, which holds many pictures.
    """
    if isinstance(document, dict) and {"images", "annotations"} <= document.keys():
        what = "COCO's json, which holds the objects of many pictures, and is not read"
        raise SourceError(f"{file} is {what}", hint="export a GeoJSON or a LabelMe json for each slide")
