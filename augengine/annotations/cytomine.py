"""Cytomine's annotations: WKT in level-0 pixels with the origin at the slide's lower left corner, y upwards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from augengine.annotations.base import Drawn
from augengine.annotations.files import MAX_BYTES
from augengine.annotations.geometry import rings_of_wkt
from augengine.errors import ContentError, SourceError

_WKT = ("location", "wkt", "geometry", "geom", "polygon")
_TERMS = ("term_names", "termnames", "termsnames", "term_name", "termname", "terms", "term", "class", "label", "name")
_IMAGES = ("image", "imageinstance", "image_id", "image id", "imagefilename", "image_filename", "image filename")


def is_cytomine(document: Any) -> bool:
    """Whether a json value is a list or collection of objects with a WKT ``location``."""
    return any(isinstance(each, dict) and "location" in each for each in _items(document)) or (
        isinstance(document, dict) and document.get("collection") == []
    )


def read_cytomine(document: Any, *, file: Path, slide_height: int) -> Iterator[Drawn]:
    """What a json value of Cytomine draws; an object with several terms once for each.

    Terms are names, or ids that the value's own list ``terms`` of ``{"id": ..., "name": ...}`` names.

    Raises:
        SourceError: Annotations of several images.
    """
    names = _term_names(document)
    rows = [
        {str(key).lower(): value for key, value in row.items()} for row in _items(document) if isinstance(row, dict)
    ]
    yield from _read(rows, names, file, slide_height)


def read_cytomine_csv(data: bytes, *, file: Path, slide_height: int) -> Iterator[Drawn]:
    """What a table with a column of WKT draws; separated by comma, semicolon or tab, as its header says.

    Raises:
        SourceError: No such column, damaged, or annotations of several images.
    """
    rows = _table(data, file)
    yield from _read(rows, {}, file, slide_height)


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict):
        document = document.get("collection")
    return document if isinstance(document, list) else []


def _term_names(document: Any) -> dict[str, str]:
    terms = document.get("terms") if isinstance(document, dict) else None
    listed = [term for term in terms if isinstance(term, dict)] if isinstance(terms, list) else []
    return {str(term.get("id")): str(term.get("name")) for term in listed}


def _table(data: bytes, file: Path) -> list[dict[str, Any]]:
    csv.field_size_limit(MAX_BYTES)  # an outline of 5000 vertices exceeds the default of 128 KB
    text = data.decode("utf-8-sig", errors="replace")
    header = text.lstrip().partition("\n")[0]
    separator = next((sign for sign in "\t;" if sign in header), ",")
    try:
        rows = list(csv.DictReader(io.StringIO(text.lstrip()), delimiter=separator, restkey="", restval=""))
    except csv.Error as error:
        raise SourceError(f"{file} is a damaged table: {error}", hint="export it again") from error
    named = [{(key or "").strip().lower(): value for key, value in row.items()} for row in rows]
    if not set(_WKT) & {name.strip().lower() for name in header.replace('"', "").split(separator)}:
        hint = f"name the column of outlines one of: {', '.join(_WKT)}"
        raise SourceError(f"{file} has no column of WKT outlines", hint=hint)
    return named


def _read(
    rows: Iterable[Mapping[str, Any]], names: Mapping[str, str], file: Path, slide_height: int
) -> Iterator[Drawn]:
    rows = list(rows)
    _check_one_image(rows, file)
    for i, row in enumerate(rows, start=1):
        where = f"annotation {row['id']}" if str(row.get("id", "")).isalnum() else f"annotation {i}"
        for name in _terms(row, names) or [None]:
            yield _drawn(where, name, row, slide_height)


def _check_one_image(rows: list[Mapping[str, Any]], file: Path) -> None:
    for column in _IMAGES:
        images = sorted({str(row[column]) for row in rows if row.get(column)})
        if len(images) > 1:
            hint = "export each slide's annotations into a file of its own, named as the slide"
            raise SourceError(f"{file} holds annotations of {len(images)} images ({', '.join(images[:3])})", hint=hint)


def _terms(row: Mapping[str, Any], names: Mapping[str, str]) -> list[str | None]:
    value = next((row[column] for column in _TERMS if row.get(column)), None)
    listed = value if isinstance(value, list) else str(value).split("|") if isinstance(value, str) else [value]
    found = [term.get("name") if isinstance(term, dict) else term for term in listed]
    return [names.get(str(term), str(term)) for term in found if term is not None]


def _drawn(where: str, name: str | None, row: Mapping[str, Any], slide_height: int) -> Drawn:
    text = next((row[column] for column in _WKT if row.get(column)), None)
    if not isinstance(text, str):
        return Drawn(where=where, name=name, reason="has no WKT outline")
    try:
        polygons = rings_of_wkt(text)
    except ContentError as error:
        return Drawn(where=where, name=name, reason=error.message.removeprefix("it "))
    return Drawn(where=where, name=name, polygons=[[_flip(ring, slide_height) for ring in rings] for rings in polygons])


def _flip(ring: Any, slide_height: int) -> Any:
    return ring * (1, -1) + (0, slide_height)
