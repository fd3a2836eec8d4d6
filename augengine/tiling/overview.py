"""The picture of a slide: which tiles were chosen, what is annotated, and what counted as tissue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from augengine.annotations import Labels
from augengine.pictures.arrays import RgbImage
from augengine.progress import counted
from augengine.tiling.places import Place
from augengine.tiling.spec import TileSpec

_SHOWN = 1600
"""Longest side of the picture, px."""

_TILE_COLOURS = ((230, 57, 70), (29, 120, 200), (242, 150, 30), (120, 80, 180), (20, 150, 110))
_CLASS_COLOURS = ((0, 158, 60), (0, 60, 255), (190, 0, 190), (120, 70, 0), (0, 150, 160), (90, 110, 0))
_SKIPPED = (20, 20, 20)
_OTHER = (120, 120, 120)
_TISSUE = (255, 160, 0)
_DASH_PX = 6.0
_TEXT = (33, 37, 41)
_LINE_PX = 22
_MIN_WIDTH = 240

_Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is drawn on the picture of a slide.

    Attributes:
        rgb_hwc: The slide from afar, uint8 (h, w, 3).
        downsample: Level-0 pixels that one of its pixels is wide.
        tissue: bool (h, w): what counted as tissue.
        side: Side of a tile in level-0 pixels.
        places: The tiles.
        labels: What is annotated; None if nothing was asked for.
    """

    rgb_hwc: RgbImage
    downsample: float
    tissue: NDArray[np.bool_]
    side: float
    places: Sequence[Place]
    labels: Labels | None


def draw_overview(overview: Overview, spec: TileSpec) -> RgbImage:
    """The slide with its tiles, a colour per kind, outlines by class, skipped objects dashed, and the tissue's border.

    Returns:
        uint8 (H, W, 3), with a legend above that counts what is drawn; at most 1600 px a side without it.
    """
    shrink = max(1.0, max(overview.rgb_hwc.shape) / _SHOWN)
    height, width = (max(1, round(extent / shrink)) for extent in overview.rgb_hwc.shape[:2])
    page = Image.fromarray(overview.rgb_hwc).resize((width, height), Image.Resampling.BOX)
    page.paste(_TISSUE, mask=Image.fromarray(_border(_shrunk(overview.tissue, width, height))))
    pen, by = ImageDraw.Draw(page), overview.downsample * shrink
    legend = [
        *_draw_tiles(pen, overview, by),
        *_draw_labels(pen, overview.labels, spec, by),
        ("border of what counted as tissue", _TISSUE),
    ]
    return _with_legend(page, legend)


def _shrunk(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    small: NDArray[np.bool_] = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    return small


def _border(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Half transparent where a pixel of a mask has a neighbour outside it, uint8 (h, w)."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.where(mask & ~inner, 160, 0).astype(np.uint8)


def _draw_tiles(pen: ImageDraw.ImageDraw, overview: Overview, by: float) -> Iterator[tuple[str, _Colour]]:
    kinds = list(dict.fromkeys(place.kind for place in overview.places))
    colours = {kind: _TILE_COLOURS[i % len(_TILE_COLOURS)] for i, kind in enumerate(kinds)}
    for place in overview.places:
        box = [value / by for value in (place.x, place.y, place.x + overview.side, place.y + overview.side)]
        pen.rectangle(box, outline=colours[place.kind], width=2 if overview.side / by > 12 else 1)
    for kind, colour in colours.items():
        yield counted(sum(place.kind == kind for place in overview.places), f"{kind} tile"), colour
    if not kinds:
        yield "no tile", _OTHER


def _draw_labels(
    pen: ImageDraw.ImageDraw, labels: Labels | None, spec: TileSpec, by: float
) -> Iterator[tuple[str, _Colour]]:
    if labels is None:
        return
    colours = _class_colours(spec)
    others = [name for name in labels.classes if name not in colours]
    for name in (*others, *colours):
        for ring in labels.outlines(name):
            pen.line([tuple(point) for point in ring / by], fill=colours.get(name, _OTHER), width=2)
    for ring in labels.skipped:
        for dash in _dashes(ring / by):
            pen.line(dash, fill=_SKIPPED, width=2)
    yield from ((f"{len(labels.objects(name))} {name}", colour) for name, colour in colours.items())
    if others:
        yield "classes not asked for", _OTHER
    if labels.skipped:
        yield f"{len(labels.skipped)} skipped (dashed)", _SKIPPED


def _class_colours(spec: TileSpec) -> Mapping[str, _Colour]:
    return {name: _CLASS_COLOURS[i % len(_CLASS_COLOURS)] for i, (name, _) in enumerate(spec.classes)}


def _dashes(points: NDArray[np.float64]) -> Iterator[list[tuple[float, float]]]:
    """Every other piece of a line, `_DASH_PX` long."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    stops = np.arange(0.0, max(length[-1], _DASH_PX), _DASH_PX)
    x, y = (np.interp(stops, length, points[:, axis]) for axis in (0, 1))
    for i in range(0, len(stops) - 1, 2):
        yield [(float(x[i]), float(y[i])), (float(x[i + 1]), float(y[i + 1]))]


def _with_legend(page: Image.Image, entries: Sequence[tuple[str, _Colour]]) -> RgbImage:
    """A page below lines that say what its colours mean."""
    width, measure = max(page.width, _MIN_WIDTH), ImageDraw.Draw(page)
    placed, x, row = list[tuple[int, int, str, _Colour]](), 6, 0
    for text, colour in entries:
        taken = 28 + int(measure.textlength(text))
        x, row = (6, row + 1) if x > 6 and x + taken > width else (x, row)
        placed.append((x, row, text, colour))
        x += taken
    top = (row + 1) * _LINE_PX + 2
    whole = Image.new("RGB", (width, page.height + top), (255, 255, 255))
    whole.paste(page, (0, top))
    pen = ImageDraw.Draw(whole)
    for x, row, text, colour in placed:
        pen.rectangle((x, row * _LINE_PX + 7, x + 10, row * _LINE_PX + 17), outline=colour, width=2)
        pen.text((x + 16, row * _LINE_PX + 6), text, _TEXT)
    return np.asarray(whole)
