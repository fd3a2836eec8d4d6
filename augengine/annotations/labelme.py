"""LabelMe's json: shapes in the pixels of the picture that was annotated, y downwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from augengine.annotations.base import Drawn
from augengine.annotations.geometry import FARTHEST, ellipse, rectangle
from augengine.annotations.mask_shapes import MaskShapes
from augengine.annotations.scale import scale_to_slide
from augengine.errors import ContentError


def is_labelme(document: Any) -> bool:
    """Whether a json value is LabelMe's."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list)


def read_labelme(document: Any, *, file: Path, slide_width: int, slide_height: int) -> Iterator[Drawn]:
    """What the file draws; a picture smaller than the slide, of the same shape, is scaled up to it.

    Raises:
        SourceError: The file names a picture of another shape than the slide.
    """
    size = (document.get("imageWidth"), document.get("imageHeight"))
    scale = (1.0, 1.0)
    if all(isinstance(side, int) and 0 < side <= FARTHEST for side in size):
        scale = scale_to_slide(*size, slide_width, slide_height, what=f"the picture that {file} annotates")
    masks = MaskShapes()
    for i, shape in enumerate(document["shapes"], start=1):
        yield _drawn(f"shape {i}", shape, scale, masks)


def _drawn(where: str, shape: Any, scale: tuple[float, float], masks: MaskShapes) -> Drawn:
    shape = shape if isinstance(shape, dict) else {}
    name = shape.get("label") if isinstance(shape.get("label"), str) else None
    try:
        polygons = [
            [[(x * scale[0], y * scale[1]) for x, y in ring] for ring in rings] for rings in _polygons(shape, masks)
        ]
    except ContentError as error:
        return Drawn(where=where, name=name, reason=error.message.removeprefix("it "))
    except (TypeError, ValueError, IndexError, OverflowError):
        return Drawn(where=where, name=name, reason="has coordinates that are no pairs of numbers")
    return Drawn(where=where, name=name, polygons=polygons)


def _polygons(shape: dict[str, Any], masks: MaskShapes) -> Sequence[Sequence[Any]]:
    points = [(float(x), float(y)) for x, y in shape.get("points") or []]
    match shape.get("shape_type", "polygon"):
        case "polygon":
            return [[points]]
        case "rectangle":
            return [[rectangle(*points[0], *points[1]) if len(points) == 2 else points]]
        case "circle":
            (x, y), rim = points
            radius = math.dist((x, y), rim)
            return [[ellipse(x - radius, y - radius, x + radius, y + radius)]]
        case "mask":
            return masks.polygons(shape.get("mask"), points)
        case kind:
            raise ContentError(f"is a {str(kind)[:30]}, which has no area that is read")
