"""Annotation files as bytes, json and xml; nothing in them is executed, expanded or left unbounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from augengine.errors import SourceError
from augengine.storage import NotPlainError, read_plain

MAX_BYTES = 256 << 20
"""Largest annotation file: parsed, it takes about ten times as much memory."""

_DEEPEST = 64
_BLANK = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # white space, and the marks of UTF-8 and UTF-16
_TRUNCATED = "was the file copied whole? Export it again"


def read_bytes(file: Path) -> bytes:
    """A whole annotation file.

    Raises:
        SourceError: Missing, unreadable, empty or larger than `MAX_BYTES`.
    """
    try:
        data = read_plain(file, limit=MAX_BYTES)
    except NotPlainError as error:
        hint = "export the annotations that you need, without cells or detections, as a plain file"
        raise SourceError(f"{file} cannot be read: {error}", hint=hint) from error
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror or error}", hint="check the path") from error
    if not data.strip(_BLANK):
        raise SourceError(
            f"{file} is empty ({len(data)} bytes)", hint="export it again; a file without objects is not empty"
        )
    return data


def parse_json(data: bytes, file: Path) -> Any:
    """The value of a json file; ``NaN`` and ``Infinity`` pass, and become problems of their objects.

    Raises:
        SourceError: No json, cut short, or nested too deep.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise SourceError(f"{file} is nested too deep to be an annotation file", hint=_TRUNCATED) from error
    except ValueError as error:
        raise SourceError(f"{file} is no valid json: {error}", hint=_TRUNCATED) from error


def parse_xml(data: bytes, file: Path) -> Element:
    """The root of an xml file.

    Raises:
        SourceError: No xml, cut short, nested too deep, or with a document type, which could declare entities.
    """
    tree = _Tree(file)
    try:
        tree.parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise SourceError(f"{file} is no valid xml: {error}", hint=_TRUNCATED) from error
    return tree.builder.close()


class _Tree:
    """Builds elements from what expat finds, and stops at a document type."""

    def __init__(self, file: Path) -> None:
        self._file, self._depth = file, 0
        self.builder = TreeBuilder()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise SourceError(f"{self._file} is nested too deep to be an annotation file", hint=_TRUNCATED)
        self.builder.start(tag, attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self.builder.end(tag)

    def _refuse(self, *_: object) -> None:
        hint = "remove its <!DOCTYPE ...>; neither ASAP nor ImageScope writes one"
        raise SourceError(f"{self._file} declares a document type, which can hide entities", hint=hint)
