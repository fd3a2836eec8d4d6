"""What the phantom draws now, in few numbers; ``python -m tests.support.phantom_drawing`` writes them beside this file.

To be typed with every raise of `augengine_train.phantom.series.DRAWING_VERSION`, and at no other time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from augengine_train.phantom import Correlation, Field, Series, draw_field
from augengine_train.phantom.series import DRAWING_VERSION
from augengine_train.phantom.spec import STAINS

FILE = Path(__file__).with_suffix(".json")
BLOCKS = 4
FIELDS = {
    "fine": {"count": 2, "side": 192, "mpp": 0.5, "patients": 2, "seed": 1},
    "coarse": {"count": 6, "side": 192, "mpp": 1.5, "patients": 3, "seed": 2, "first_patient": 2},
}
"""Open and sclerotic glomeruli, vessels and five patients are among them."""


def measure() -> dict[str, dict[str, list[float]]]:
    """Stain and field -> its means of blocks, its roughness, and its pixels of glomeruli and markers."""
    return {
        f"{stain} {name} {i}": told(draw_field(series.spec(i)))
        for stain in STAINS
        for name, series in ((name, _series(stain, options)) for name, options in FIELDS.items())
        for i in range(series.count)
    }


def told(field: Field) -> dict[str, list[float]]:
    """A field in few numbers.

    Returns:
        ``colours``: means of 4 x 4 blocks by channel; ``roughness``: mean absolute difference of neighbours by channel,
        all in grey levels; ``pixels`` of glomeruli and of markers.
    """
    image = field.image.astype(np.float64)
    side = image.shape[0] // BLOCKS
    blocks = image.reshape(BLOCKS, side, BLOCKS, side, 3).mean(axis=(1, 3))
    rough = np.abs(np.diff(image, axis=0)).mean(axis=(0, 1)) + np.abs(np.diff(image, axis=1)).mean(axis=(0, 1))
    pixels = [float((mask > 0).sum()) for mask in (field.glomeruli, field.markers)]
    return {"colours": blocks.round(2).ravel().tolist(), "roughness": rough.round(3).tolist(), "pixels": pixels}


def _series(stain: Any, options: dict[str, Any]) -> Series:
    return Series(stain=stain, correlations=(Correlation(glomeruli=2.0, sclerotic=4.0),), **options)


def main() -> None:
    """Write `FILE`."""
    FILE.write_text(json.dumps({"drawing_version": DRAWING_VERSION, "fields": measure()}) + "\n")


if __name__ == "__main__":
    main()
