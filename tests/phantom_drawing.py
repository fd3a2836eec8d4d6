"""What the phantom draws now, in few numbers; ``python -m tests.phantom_drawing`` writes them beside this file.

To be typed with every raise of `train.phantom.series.DRAWING_VERSION`, and at no other time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train.phantom import FieldSpec, draw_field
from train.phantom.series import DRAWING_VERSION
from train.phantom.spec import STAINS

FILE = Path(__file__).with_suffix(".json")
SIDE, BLOCK = 192, 24


def measure() -> dict[str, Any]:
    """Of a field of each stain: mean colours of blocks, shape (8, 8, 3), and pixels of markers and glomeruli."""
    found: dict[str, Any] = {}
    for stain in STAINS:
        field = draw_field(FieldSpec(stain=stain, side=SIDE, mpp=1.0, anatomy_seed=4, marker_seed=5))
        blocks = field.image.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK, 3).mean(axis=(1, 3))
        counts = {"markers": int((field.markers > 0).sum()), "glomeruli": int((field.glomeruli > 0).sum())}
        found[stain] = {"blocks": blocks.round(1).tolist(), **counts}
    return found


def main() -> None:
    """Write `FILE`."""
    FILE.write_text(json.dumps({"drawing_version": DRAWING_VERSION, **measure()}) + "\n")


if __name__ == "__main__":
    main()
