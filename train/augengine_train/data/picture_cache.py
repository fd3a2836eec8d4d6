"""Decoded pictures kept as far as memory allows: the last ones used stay."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUDGET = 2 << 30
"""Bytes of decoded pictures that one place keeps."""


class PictureCache:
    """Read-only arrays by name. A copy that is sent to another process starts empty.

    Args:
        budget: Bytes to keep; the last array asked for is kept whatever its size.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()

    def __reduce__(self) -> tuple[type[PictureCache], tuple[int]]:
        return type(self), (self._budget,)

    def get(self, name: Hashable, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The array of that name, made if it is not there."""
        if name in self._arrays:
            self._arrays.move_to_end(name)
            return self._arrays[name]
        array = self._arrays[name] = make()
        array.setflags(write=False)
        self._bytes += array.nbytes
        while len(self._arrays) > 1 and self._bytes > self._budget:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array
