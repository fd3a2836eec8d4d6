"""A slide of real kidney for tests: PAS regions beside each other as a pyramid of JPEG tiles, and their glomeruli."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from shapely import Polygon
from shapely.affinity import translate

from tests.support.slide_files import mosaic, write_jpeg_pyramid

MPP = 0.5
"""Resolution that the test's slides state, in um per pixel; that of the regions is not known so exactly."""

CLASS = "glomerulus"


@dataclass(frozen=True)
class RealPyramid:
    """The file, its size in pixels, and its glomeruli in level-0 pixels."""

    file: Path
    width: int
    height: int
    polygons: tuple[tuple[str, Polygon], ...]


def write_real_pyramid(file: Path, regions: Path, *, columns: int, rows: int, first: int = 0) -> RealPyramid:
    """Lay the regions of a folder, with LabelMe polygons, out on a slide, from the ``first`` on."""
    pictures = sorted(regions.glob("*.jpg"))
    pictures = pictures[first:] + pictures[:first]
    width, height = _size(pictures[0])
    polygons: list[tuple[str, Polygon]] = []
    for place in range(columns * rows):
        by = place % columns * width, place // columns * height
        own = _polygons(pictures[place % len(pictures)].with_suffix(".json"))
        polygons += [(CLASS, translate(polygon, *by)) for polygon in own]
    write_jpeg_pyramid(file, mosaic(pictures, columns=columns, rows=rows), mpp=MPP)
    return RealPyramid(file, columns * width, rows * height, tuple(polygons))


def _size(picture: Path) -> tuple[int, int]:
    said = json.loads(picture.with_suffix(".json").read_text())
    return int(said["imageWidth"]), int(said["imageHeight"])


def _polygons(file: Path) -> list[Polygon]:
    shapes = json.loads(file.read_text())["shapes"]
    return [Polygon(shape["points"]) for shape in shapes]
