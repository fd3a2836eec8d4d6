"""The command line of `augengine augment` that benchmarks run on drawn tiles; they do not look at the pair first."""

from __future__ import annotations

import sys

AUGMENT = [
    *(sys.executable, "-m", "augengine", "augment", "--force"),
    *("--stain", "cd68", "--eps", "0.05", "--mpp", "0.5"),
]
