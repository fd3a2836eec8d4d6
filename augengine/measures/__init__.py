"""What can be measured of a pair of generators, whatever runs them: numbers over tiles, no files."""

from __future__ import annotations

from augengine.measures.cycles import Cycle, CycleError, Translate, cycle_error, rms, run_cycles, to_rgb
from augengine.measures.noise import UnderNoise, check_sigmas, control, draw, under_noise
from augengine.measures.spectrum import Excess, Spectrum, spectrum
from augengine.measures.structure import structure
from augengine.measures.wiping import Wiped, Wipes, wipe

__all__ = [
    "Cycle",
    "CycleError",
    "Excess",
    "Spectrum",
    "Translate",
    "UnderNoise",
    "Wiped",
    "Wipes",
    "check_sigmas",
    "control",
    "cycle_error",
    "draw",
    "rms",
    "run_cycles",
    "spectrum",
    "structure",
    "to_rgb",
    "under_noise",
    "wipe",
]
