"""The um/px that a picture's header states: in OME's description, in ImageJ's, or in a TIFF's resolution tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unicodedata import normalize
from xml.etree import ElementTree

_COARSEST = 50.0
"""um/px; pictures that only say "72 dots an inch" state 353, which is a screen's."""

_MICROMETRES = {
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "um": 1.0, "μm": 1.0, "micron": 1.0, "micrometer": 1.0,
    "micrometre": 1.0, "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4,
    "centimetre": 1e4, "in": 25400.0, "inch": 25400.0, "m": 1e6,
}  # fmt: skip

_MU = re.compile(r"\\u00b5|\N{REPLACEMENT CHARACTER}(?=m\s*$)", re.IGNORECASE)
_MM_OF_UNIT = {"in": 25.4, "cm": 10.0}  # a TIFF's tags; libvips gives pixels a millimetre

Mpp = tuple[float, float] | None


def stated_mpp(image: Any, *, page: int, description: str) -> Mpp:
    """um/px of a libvips image, x and y; None if nothing states them.

    Args:
        image: The page that is the slide.
        page: Its number in the file.
        description: What the file's first page says of the file.
    """
    if "<OME" in description:
        return _of_ome(description, page, int(image.width), int(image.height))
    if not str(image.get("vips-loader")).startswith("tiff") or not min(image.xres, image.yres) > 0:
        return None
    return _of_tags(image) or _of_imagej(image, description)


def description_of(image: Any) -> str:
    """What a TIFF's page says of itself; empty if it says nothing."""
    return str(image.get("image-description")) if image.get_typeof("image-description") else ""


def _unit(image: Any) -> str:
    return str(image.get("resolution-unit")) if image.get_typeof("resolution-unit") else ""


def _of_tags(image: Any) -> Mpp:
    """By the resolution tags, if they are in inches or centimetres."""
    return _believable(1000 / float(image.xres), 1000 / float(image.yres)) if _unit(image) in _MM_OF_UNIT else None


def _of_imagej(image: Any, description: str) -> Mpp:
    """By ImageJ's own unit: its resolution tags count pixels for each of that, whatever unit the tags name."""
    if not description.startswith("ImageJ="):
        return None
    said = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    x = _micrometres_of(said.get("unit", ""))
    y = _micrometres_of(said.get("yunit", "")) or x
    by = _MM_OF_UNIT.get(_unit(image), 1.0)
    return _believable(x / (image.xres * by), y / (image.yres * by)) if x and y else None


def _believable(x: float, y: float) -> Mpp:
    return (x, y) if min(x, y) > 0 and max(x, y) < _COARSEST else None


def _micrometres_of(unit: str) -> float | None:
    """How many micrometres a unit has; a mu may be written as an escape, or in an encoding that libvips replaces."""
    name = normalize("NFKC", _MU.sub("µ", unit)).strip().casefold()
    return _MICROMETRES.get(name) or _MICROMETRES.get(name.removesuffix("s"))


def _of_ome(xml: str, page: int, width: int, height: int) -> Mpp:
    """um/px of the image that a page shows; None if the description does not say."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        return None
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - without a DOCTYPE there is no entity to expand
        pixels = _pixels_of(list(_named(root, "Pixels")), page, (str(width), str(height)))
        x, y = (_micrometres(pixels, axis) for axis in "XY")
    except (ElementTree.ParseError, LookupError, ValueError, TypeError):
        return None
    return (x, y) if 0 < min(x, y) < float("inf") else None


def _named(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)


def _pixels_of(images: list[ElementTree.Element], page: int, size: tuple[str, str]) -> ElementTree.Element:
    """The image of a page: the only one, else the one of its number and size, of its size, or of its number."""
    sized = [pixels for pixels in images if (pixels.get("SizeX"), pixels.get("SizeY")) == size]
    placed = [pixels for pixels in images if any(data.get("IFD") == str(page) for data in _named(pixels, "TiffData"))]
    both = [pixels for pixels in sized if pixels in placed]
    return (images if len(images) == 1 else [*both, *sized, *placed])[0]


def _micrometres(pixels: ElementTree.Element, axis: str) -> float:
    unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return float(pixels.attrib[f"PhysicalSize{axis}"]) * (_micrometres_of(unit) or float("nan"))
