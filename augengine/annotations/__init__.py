"""Annotations to masks of class ids: what is drawn on a slide, in whatever program, as `Labels`.

What each format means and what is skipped: docs/guide/annotations.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from augengine.annotations.aperio import is_aperio, read_aperio
from augengine.annotations.asap import is_asap, read_asap
from augengine.annotations.base import Box, Drawn, Labels, class_key
from augengine.annotations.cytomine import is_cytomine, read_cytomine, read_cytomine_csv
from augengine.annotations.files import parse_json, parse_xml, read_bytes
from augengine.annotations.find import LabelFinder, find_labels
from augengine.annotations.foreign import (
    refuse_foreign_bytes,
    refuse_foreign_folder,
    refuse_foreign_json,
    refuse_foreign_xml,
)
from augengine.annotations.geojson import is_geojson, read_geojson
from augengine.annotations.imagej import ROI_MAGIC, read_rois
from augengine.annotations.labelme import is_labelme, read_labelme
from augengine.annotations.mask_image import is_mask_image, open_mask_image
from augengine.annotations.packed import REGION, ZIP_MAGICS, unpack
from augengine.annotations.usable import outline_labels
from augengine.errors import SourceError

__all__ = ["Box", "LabelFinder", "Labels", "class_key", "find_labels", "open_labels"]

_READ = (
    "read are QuPath GeoJSON, also in a zip, Cytomine WKT (json, csv), ASAP, ImageScope and HALO xml, LabelMe json, "
    "ImageJ .roi and zip, and mask images"
)


def open_labels(
    file: Path,
    *,
    slide_width: int,
    slide_height: int,
    default_class: str | None = None,
    scanned_from: tuple[float, float] = (0.0, 0.0),
) -> Labels:
    """The labels of a slide from an annotation file, whose format its content tells.

    Args:
        file: Any of the formats that docs/guide/annotations.md lists.
        slide_width, slide_height: In level-0 pixels; Cytomine counts y from the lower edge, LabelMe's and mask images
            may be smaller than the slide, and objects wholly outside are problems.
        default_class: The class of objects without one; None makes them problems. Mask images do not need it.
        scanned_from: The corner (x, y) of the scanned area, OpenSlide's ``openslide.bounds-x`` and ``-y``, in level-0
            pixels. GeoJSON counts from there: QuPath crops a slide to it (qupath issue 1278), other programs do not.

    Raises:
        SourceError: Missing, empty, damaged, too large, of an unknown kind, of several slides, or of another shape.
        ContentError: A mask image that is damaged or holds no 8-bit class ids; a file that has objects of which none
            can be used. One without objects is no error.
    """
    refuse_foreign_folder(file)
    if is_mask_image(file):
        return open_mask_image(file, slide_width=slide_width, slide_height=slide_height)
    data = read_bytes(file)
    return outline_labels(
        _read(data, file, _Slide(slide_width, slide_height, scanned_from)),
        slide_width=slide_width,
        slide_height=slide_height,
        default_class=default_class,
        what=str(file),
    )


class _Slide(NamedTuple):
    """What a reader may have to know of the slide, in level-0 pixels."""

    width: int
    height: int
    scanned_from: tuple[float, float]


def _read(data: bytes, file: Path, slide: _Slide) -> Iterator[Drawn]:
    if data.startswith(ROI_MAGIC):
        return read_rois([(file.name, data)])
    if data.startswith(ZIP_MAGICS):
        return _read_zip(data, file, slide)
    refuse_foreign_bytes(data, file)
    start = _first_sign(data)
    if start == "<":
        return _read_xml(data, file)
    if start in ("{", "["):
        return _read_json(parse_json(data, file), file, slide)
    if file.suffix.lower() in (".csv", ".tsv", ".txt"):
        return read_cytomine_csv(data, file=file, slide_height=slide.height)
    raise SourceError(f"{file} is no annotation file that is known", hint=_READ)


def _read_zip(data: bytes, file: Path, slide: _Slide) -> Iterator[Drawn]:
    members = unpack(data, file)
    name, first = members[0]
    if name.lower().endswith(REGION):
        return read_rois(members)
    return _read_json(parse_json(first, file), file, slide)


def _first_sign(data: bytes) -> str:
    """The first character that is no white space, in UTF-8 or UTF-16."""
    return data[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1].decode("latin-1")


def _read_xml(data: bytes, file: Path) -> Iterator[Drawn]:
    root = parse_xml(data, file)
    if is_asap(root):
        return read_asap(root)
    if is_aperio(root):
        return read_aperio(root)
    refuse_foreign_xml(root, file)
    raise SourceError(f"{file} is xml of an unknown kind (<{root.tag[:40]}>)", hint=_READ)


def _read_json(document: Any, file: Path, slide: _Slide) -> Iterator[Drawn]:
    if is_labelme(document):
        return read_labelme(document, file=file, slide_width=slide.width, slide_height=slide.height)
    if is_geojson(document):
        return read_geojson(document, scanned_from=slide.scanned_from)
    if is_cytomine(document):
        return read_cytomine(document, file=file, slide_height=slide.height)
    refuse_foreign_json(document, file)
    raise SourceError(f"{file} is json, but no annotations ({_outline(document)})", hint=_READ)


def _outline(document: Any) -> str:
    """What a json value looks like, for the message."""
    if isinstance(document, dict):
        return f"an object of {', '.join(map(repr, list(document)[:4])) or 'nothing'}"[:120]
    return f"a list of {len(document)}"
