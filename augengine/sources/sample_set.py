"""The sample set: the real H-DAB picture that scikit-image carries, cut into tiles with a tissue mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SourceError
from augengine.images import encode_image, encode_mask
from augengine.listing import Entry, Listing, Unit, make_listing
from augengine.report import Job
from augengine.sample import Failure, Sample
from augengine.tissue import tissue_mask

STAINS = ("hdab", "cd68")
"""The stains it serves; for cd68 it only shows the machinery, since the picture is colon."""

NOTE = "the sample picture is colon stained with haematoxylin and DAB, not kidney CD68"

TILE, STRIDE = 256, 128
TISSUE = 1

_MPP = 0.5
_META = {"mpp": _MPP, "tissue": "colon", "picture": "scikit-image immunohistochemistry"}


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """Nine tiles of 256 px with masks of class ids 0 (background) and 1 (tissue)."""

    kind: ClassVar[str] = "sample-set"

    def scan(self) -> Listing:
        """List the tiles; see `Source`."""
        entries = (
            Entry(key=tile.key, files=((f"{tile.key}.png", len(tile.image)),), height=TILE, width=TILE)
            for tile in tiles()
        )
        return make_listing([Unit(source=self.kind, entries=tuple(entries))], mpps=(_MPP,), splits=True)

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's tiles; see `Source`."""
        return iter(tiles()[job.first : job.first + job.count])

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {"kind": self.kind}


@cache
def tiles() -> tuple[Sample, ...]:
    """The tiles, row by row."""
    picture = _picture()
    tissue = np.where(tissue_mask(picture), TISSUE, 0).astype(np.uint8)
    corners = range(0, picture.shape[0] - TILE + 1, STRIDE)
    return tuple(_tile(picture, tissue, y, x) for y in corners for x in corners)


def _picture() -> NDArray[np.uint8]:
    from skimage.data import immunohistochemistry  # 0.3 s, and only the sample set needs it

    picture: NDArray[np.uint8] = immunohistochemistry()  # type: ignore[no-untyped-call]
    if picture.shape != (512, 512, 3):
        raise SourceError(f"scikit-image's picture has the shape {picture.shape}", hint="give your own with --in")
    return picture


def _tile(picture: NDArray[np.uint8], tissue: NDArray[np.uint8], y: int, x: int) -> Sample:
    window = np.s_[y : y + TILE, x : x + TILE]
    return Sample(
        key=f"colon_y{y:03d}_x{x:03d}",
        image=encode_image(np.ascontiguousarray(picture[window]), "png"),
        image_ext="png",
        mask=encode_mask(np.ascontiguousarray(tissue[window])),
        meta=_META,
    )
