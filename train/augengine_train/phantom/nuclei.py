"""Nuclei: where they lie, and how each looks under the microscope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine_train.phantom.anatomy import Anatomy
from augengine_train.phantom.draws import Map, Points, jittered_grid, keyed, thin_out
from augengine_train.phantom.frame import Frame
from augengine_train.phantom.packing import Packing

_CANDIDATES_UM = 2.4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nuclei:
    """N nuclei.

    Attributes:
        places: (N, 2) y and x, um.
        long, short: (N,) half axes, um.
        angle: (N,) of the long axis against the x axis, towards y.
        dark: (N,) density of the chromatin, about 1.
        vesicular: (N,) 1 pale with a dark rim and a nucleolus, 0 dark all over.
    """

    places: Points
    long: NDArray[np.float64]
    short: NDArray[np.float64]
    angle: NDArray[np.float64]
    dark: NDArray[np.float64]
    vesicular: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Where one kind of nuclei lies, and how it looks.

    Attributes:
        name: Keys its draws.
        depth: Attribute of `Packing` that says how deep a place is.
        low_um, high_um: Depths between which nuclei lie.
        apart_um: Least distance between two.
        share: Share of the possible places that get a nucleus.
        long_um, short_um: Half axes, on the average.
        along: Whether they lie along the surface that depths are counted from.
        vesicular: Mean look: 1 pale with a dark rim and a nucleolus, 0 dark all over.
    """

    name: str
    depth: str
    low_um: float
    high_um: float
    apart_um: float
    share: float
    long_um: float
    short_um: float
    along: bool
    vesicular: float


# Round nuclei are 6 to 8 um across, those of endothelium, muscle and fibroblasts 8 to 15 um long and 2 to 3 thin
# (Mescher). On the real fields round ones are 12 to 15 px across at 0.5 um/px, 7 to 12 um apart, in the epithelium's
# basal half; read off by eye.
CROWDS = (
    Crowd(name="tubules", depth="tubule", low_um=3.6, high_um=8.2, apart_um=7.6, share=0.66, long_um=3.3, short_um=2.85,
          along=False, vesicular=0.9),
    Crowd(name="interstitium", depth="tubule", low_um=-12, high_um=-1.3, apart_um=8.5, share=0.36, long_um=4.2,
          short_um=1.7, along=True, vesicular=0.2),
    Crowd(name="walls", depth="vessel", low_um=2.5, high_um=24, apart_um=8.0, share=0.6, long_um=5.5, short_um=1.5,
          along=True, vesicular=0.2),
    Crowd(name="capsules", depth="capsule", low_um=1.8, high_um=3.2, apart_um=17, share=0.7, long_um=4.5, short_um=1.4,
          along=True, vesicular=0.3),
    Crowd(name="tufts", depth="tuft", low_um=1.5, high_um=200, apart_um=6.4, share=0.5, long_um=3.3, short_um=2.6,
          along=False, vesicular=0.55),
    Crowd(name="scars", depth="scar", low_um=3, high_um=200, apart_um=13, share=0.45, long_um=3.2, short_um=1.8,
          along=False, vesicular=0.1),
)  # fmt: skip


def draw_nuclei(anatomy: Anatomy, frame: Frame, packing: Packing) -> Nuclei:
    """All nuclei of a field and a few beyond its edges."""
    parts = [_draw_crowd(crowd, anatomy, frame, packing) for crowd in CROWDS]
    names = ("places", "long", "short", "angle", "dark", "vesicular")
    return Nuclei(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _draw_crowd(crowd: Crowd, anatomy: Anatomy, frame: Frame, packing: Packing) -> Nuclei:
    rng = keyed(anatomy.seed, f"nuclei of {crowd.name}")
    candidates = jittered_grid(rng, -8, frame.side_um + 8, _CANDIDATES_UM)
    candidates = candidates[rng.permutation(len(candidates))]
    candidates = candidates[_is_free(candidates, crowd, frame, packing)]
    candidates = candidates[thin_out(candidates, crowd.apart_um)]
    places = candidates[rng.uniform(size=len(candidates)) < crowd.share]
    count = len(places)
    aligned = _along_surface(frame, getattr(packing, crowd.depth), places)
    return Nuclei(
        places=places,
        long=crowd.long_um * np.exp(rng.normal(0, 0.11, count)),
        short=crowd.short_um * np.exp(rng.normal(0, 0.10, count)),
        angle=aligned + rng.normal(0, 0.15, count) if crowd.along else rng.uniform(0, np.pi, count),
        dark=np.exp(rng.normal(0, 0.18, count)),
        vesicular=np.clip(crowd.vesicular + rng.normal(0, 0.15, count), 0, 1),
    )


def _is_free(places: Points, crowd: Crowd, frame: Frame, packing: Packing) -> NDArray[np.bool_]:
    depths: Map = getattr(packing, crowd.depth)
    depth = frame.look_up(depths, places)
    free = (depth > crowd.low_um) & (depth < crowd.high_um)
    if crowd.depth == "tubule":  # neither below a capsule nor in a wall
        free &= frame.look_up(np.maximum(packing.capsule, packing.vessel), places) < -1
    if crowd.depth == "vessel":
        free &= frame.look_up(packing.wall, places) < -1
    return free


def _along_surface(frame: Frame, depth: Map, places: Points) -> NDArray[np.float64]:
    """The direction across the depth's gradient at each place."""
    slopes: list[Map] = list(np.gradient(depth))
    down, right = (frame.look_up(slope, places) for slope in slopes)
    return np.asarray(np.arctan2(down, right), dtype=np.float64) + np.pi / 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamped:
    """Nuclei at the pixels, float32 (side, side): what they cover, and their chromatin's density there."""

    cover: Map
    density: Map


def stamp(nuclei: Nuclei, frame: Frame) -> Stamped:
    """Draw nuclei at the pixels of a frame; where two overlap the denser one shows."""
    cover, density = (np.zeros((frame.side, frame.side), dtype=np.float32) for _ in range(2))
    along = frame.pixels_um()
    for number, window in _windows(nuclei, frame):
        dy = along[window[0], None] - np.float32(nuclei.places[number, 0])
        dx = along[None, window[1]] - np.float32(nuclei.places[number, 1])
        one, shade = _draw_one(nuclei, number, dy, dx, frame)
        denser = one > cover[window]
        density[window] = np.where(denser, shade, density[window])
        np.maximum(cover[window], one, out=cover[window])
    return Stamped(cover=cover, density=density)


def _windows(nuclei: Nuclei, frame: Frame) -> Iterator[tuple[int, tuple[slice, slice]]]:
    reach = nuclei.long[:, None] * 1.2 + 1
    low = np.clip(np.floor((nuclei.places - reach) / frame.mpp).astype(int), 0, frame.side)
    high = np.clip(np.ceil((nuclei.places + reach) / frame.mpp).astype(int) + 1, 0, frame.side)
    for number in np.flatnonzero((high > low).all(axis=1)):
        yield int(number), (slice(low[number, 0], high[number, 0]), slice(low[number, 1], high[number, 1]))


def _draw_one(nuclei: Nuclei, number: int, dy: Map, dx: Map, frame: Frame) -> tuple[Map, Map]:
    """Cover and density of one nucleus: a rim, a paler middle and a nucleolus, or dark all over."""
    cos, sin = np.float32(np.cos(nuclei.angle[number])), np.float32(np.sin(nuclei.angle[number]))
    long, short = np.float32(nuclei.long[number]), np.float32(nuclei.short[number])
    u, v = (cos * dx + sin * dy) / long, (cos * dy - sin * dx) / short
    radius = np.sqrt(u * u + v * v)
    cover = frame.reach((1 - radius) * short)
    rim = np.clip((radius - 0.55) * 2.6, 0, 1)
    nucleolus = np.exp(-(((u - 0.25) * long) ** 2 + ((v + 0.15) * short) ** 2) / np.float32(0.45))
    pale = 0.52 + 0.5 * rim + 0.75 * nucleolus
    vesicular = np.float32(nuclei.vesicular[number])
    shade: Map = np.float32(nuclei.dark[number]) * (vesicular * pale + (1 - vesicular) * np.float32(1.15))
    return cover, shade
