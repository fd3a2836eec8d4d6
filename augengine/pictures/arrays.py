"""The array types of pictures, each declared once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
"""(H, W, 3), 8-bit R, G, B."""

Mask = NDArray[np.uint8]
"""(H, W) class ids."""
