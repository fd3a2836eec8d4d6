"""Patients: what of a person's tissue and of the laboratory's slides stays the same over all of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SpecError
from augengine.pictures.colour import unmixing_matrix
from augengine.stains import BUILT_IN, Vector
from augengine_train.phantom.draws import keyed

_ROOT = 0
"""Patients are the same people in every data set, whatever its seed."""

_WHITE = (244.0, 243.0, 244.5)
"""Grey levels of an empty place: the 98th percentile of the real fields is 241 to 247 in each channel."""

_MAX_HAZE = 0.12  # the real CD68 field's background, whose median is 0.17 of chromogen in all

# Laboratories differ from the vectors of stains.py: what the real fields leave after unmixing, for the counterstain
# (bluer in both immunostains) and for the chromogen (CD34's is a warmer red); rows of R, G, B.
_SHIFTS = {
    "pas": ((0.02, -0.01, 0.01), (0, 0, 0)),
    "cd68": ((0.11, -0.10, 0.01), (0, 0, 0)),
    "cd34": ((0.02, -0.05, 0.12), (0, -0.06, 0.09)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One person's kidney.

    Attributes:
        number: Who it is; everything else is a pure function of it.
        gap_um: Half the width of the interstitium between two tubules.
        fibrosis: Share of the field where the interstitium is wide, about.
        sclerosis: Probability that a glomerulus is sclerotic.
        size: Size of tubules and glomeruli as a factor, 1 on the average.
        open_lumina: How wide lumina are, 1 on the average; they close as tissue lies before it is fixed.
        vacuoles: Share of the proximal epithelium that is holes, about.
    """

    number: int
    gap_um: float
    fibrosis: float
    sclerosis: float
    size: float
    open_lumina: float
    vacuoles: float

    def __post_init__(self) -> None:
        if self.number < 0:
            raise SpecError(f"patients are numbered from 0, got {self.number}")

    @property
    def name(self) -> str:
        """Name of the patient in file names and json, for example ``p07``."""
        return f"p{self.number:02d}"

    @classmethod
    def of(cls, number: int) -> Self:
        """The patient of this number."""
        rng = keyed(_ROOT, f"patient {number}")
        return cls(
            number=number,
            gap_um=float(rng.uniform(0.5, 1.4)),
            fibrosis=float(rng.uniform(0.03, 0.3)),
            sclerosis=float(rng.uniform(0.05, 0.3)),
            size=float(rng.uniform(0.9, 1.1)),
            open_lumina=float(rng.uniform(0.72, 1.12)),
            vacuoles=float(rng.uniform(0.01, 0.09)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """How one patient's slide of one stain came out of the laboratory and the scanner.

    Attributes:
        vectors: Optical densities of counterstain and of chromogen in R, G, B, of unit length.
        counterstain, chromogen: Factors on the amounts, about 1.
        haze: Non-specific chromogen in tubular cytoplasm; in the unit of amounts.
        white: Grey levels of an empty place, R, G, B.
        blur_um: Standard deviation of the optics' point spread.
        noise: Standard deviation of the sensor's noise, grey levels.
    """

    vectors: tuple[Vector, Vector]
    counterstain: float
    chromogen: float
    haze: float
    white: tuple[float, float, float]
    blur_um: float
    noise: float

    @classmethod
    def of(cls, patient: Patient, stain: str) -> Self:
        """The slide of a patient in a stain."""
        rng = keyed(_ROOT, f"slide {patient.number} {stain}")
        rows = unmixing_matrix(BUILT_IN[stain])[:2] + rng.normal(0, 0.02, (2, 3)) + _SHIFTS[stain]
        white = (rng.normal(0, 1.2, 3) + _WHITE).tolist()
        return cls(
            vectors=(_unit(rows[0]), _unit(rows[1])),
            counterstain=float(np.exp(rng.normal(0, 0.18))),
            chromogen=float(np.exp(rng.normal(0, 0.15))),
            haze=min(float(rng.exponential(0.05)), _MAX_HAZE) if stain == "cd68" else 0.0,
            white=(white[0], white[1], white[2]),
            blur_um=float(rng.uniform(0.25, 0.45)),
            noise=float(rng.uniform(0.8, 1.8)),
        )


def _unit(vector: NDArray[np.float64]) -> Vector:
    r, g, b = (vector / np.linalg.norm(vector)).tolist()
    return r, g, b
