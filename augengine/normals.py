"""Standard normals from the words of Philox: Box and Muller in float64.

Source: Box and Muller, "A note on the generation of random normal deviates" (Ann. Math. Stat. 29, 1958).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augengine.philox import Words, uniform

Normals = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# A uniform of 24 bits, as an angle, is one of 4097 coarse turns and one of 4096 fine ones: exp(a + b) = exp(a) exp(b).
_FINE_BITS = np.uint32(12)
_FINE_MASK = np.uint32((1 << 12) - 1)
_COARSE = np.exp(2j * np.pi * np.arange((1 << 12) + 1) / (1 << 12))
_FINE = np.exp(2j * np.pi * np.arange(1 << 12) / (1 << 24))


def three_normals(words: tuple[Words, Words, Words, Words]) -> Normals:
    """Three independent standard normals for every four words.

    In float64, since logarithms and cosines in float32 differ between vector units.
    """
    radius_01, turn_01 = _radius(words[0]), turn(words[1])
    radius_2, turn_2 = _radius(words[2]), turn(words[3])
    return radius_01 * turn_01.real, radius_01 * turn_01.imag, radius_2 * turn_2.real


def turn(words: Words) -> NDArray[np.complex128]:
    """``exp(2 pi i u)``, u being `uniform` of the words; from tables, to 1e-15: cosines are slow."""
    steps = (words >> np.uint32(8)) + np.uint32(1)
    coarse, fine = (steps >> _FINE_BITS).astype(np.intp), (steps & _FINE_MASK).astype(np.intp)
    turned: NDArray[np.complex128] = _COARSE[coarse] * _FINE[fine]
    return turned


def _radius(words: Words) -> NDArray[np.float64]:
    """``sqrt(-2 ln u)``."""
    u = uniform(words)
    np.log(u, out=u)
    u *= -2.0
    return np.sqrt(u, out=u)
