"""What a field holds, drawn as values in um: glomeruli, vessels and the packing of the tubules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from augengine_train.phantom.draws import Map, Points, jittered_grid, keyed
from augengine_train.phantom.frame import MARGIN_UM
from augengine_train.phantom.patients import Patient

# 3.0 +- 0.7 a mm2 of superficial cortex (Kanzaki et al., Pathol Int 2013). Bowman's capsules hold 6.1 +- 2.5e6 um^3, a
# sphere 227 um across, tufts 3.8 +- 1.5e6 (Sasaki et al., Kidney Int Rep 2018); a section seldom meets the middle. In
# kidneys removed for a tumour 7 to 18 % are globally sclerotic (Denic et al.); those are shrunken.
GLOMERULI_PER_MM2 = 3.0
GLOMERULUS_RADIUS_UM = (75.0, 115.0)
URINARY_SPACE_UM = (5.0, 15.0)
SCLEROTIC_SHRINKS_TO = (0.5, 0.68)

# Small arteries and arterioles are 20 to 100 um across, half of that their wall (Mescher, Junqueira's Basic Histology).
VESSELS_PER_MM2 = 12.0
VESSEL_RADIUS_UM = (11.0, 38.0)

# Proximal tubules are 40 to 60 um across, distal ones 20 to 50 (Mescher). One Voronoi cell is a cross-section; two or
# three that are one tubule are a bend or a piece cut lengthwise.
CELL_UM = 44.0
_CONTINUED = 0.3
_RELAXED = 3

PROXIMAL, DISTAL, COLLECTING = range(3)
_KINDS = (0.62, 0.24, 0.14)
"""Shares of proximal, distal and collecting profiles in the cortex; proximal ones dominate it."""

Waves = tuple[tuple[float, float], ...]

CENTRED = 0.5
"""Share of the fields with a glomerulus about their centre: segmenters are trained on patches cut around them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glomerulus:
    """One glomerulus.

    Attributes:
        y_um, x_um: Its centre, from the field's upper left corner.
        radius_um: Mean radius of Bowman's capsule.
        space_um: Width of the urinary space, on the average.
        waves: Amplitude (of the radius) and phase of each wave of its outline.
        sclerotic: Shrunken and solid.
    """

    y_um: float
    x_um: float
    radius_um: float
    space_um: float
    waves: Waves
    sclerotic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vessel:
    """An artery or arteriole, cut across: its centre, outer radius and wall in um, and its outline's waves."""

    y_um: float
    x_um: float
    radius_um: float
    wall_um: float
    waves: Waves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tubules:
    """The packing of the tubules: cells of a relaxed Voronoi diagram in stretched coordinates.

    Attributes:
        sites: (N, 2) in the stretched coordinates, um.
        weights: (N,) um^2; a heavier site has a larger cell.
        tubule: (N,) Which tubule each cell is of, 0 ... T - 1.
        kind: (T,) PROXIMAL, DISTAL or COLLECTING.
        stretch: Along over across: 1 is cut across, 3 lengthwise.
        angle: Direction of the long axis, in radians.
    """

    sites: Points
    weights: NDArray[np.float64]
    tubule: NDArray[np.int32]
    kind: NDArray[np.int32]
    stretch: float
    angle: float

    def stretched(self, y_um: Map, x_um: Map) -> NDArray[np.float64]:
        """Places in the sites' coordinates: float64 (..., 2)."""
        cos, sin, root = np.cos(self.angle), np.sin(self.angle), np.sqrt(self.stretch)
        return np.stack([(cos * y_um - sin * x_um) * root, (sin * y_um + cos * x_um) / root], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """All that a field holds.

    Attributes:
        seed: What it was drawn from; finer texture is drawn from it too.
        side_um: Side of the field.
        patient: Whose kidney it is.
        glomeruli, vessels, tubules: What there is, margins included.
    """

    seed: int
    side_um: float
    patient: Patient
    glomeruli: tuple[Glomerulus, ...]
    vessels: tuple[Vessel, ...]
    tubules: Tubules


def draw_anatomy(side_um: float, seed: int, patient: Patient) -> Anatomy:
    """The anatomy of a square field: a pure function of its arguments."""
    glomeruli = _draw_glomeruli(side_um, seed, patient)
    return Anatomy(
        seed=seed,
        side_um=side_um,
        patient=patient,
        glomeruli=glomeruli,
        vessels=_draw_vessels(side_um, seed, glomeruli),
        tubules=_draw_tubules(side_um, seed, patient),
    )


def _draw_glomeruli(side_um: float, seed: int, patient: Patient) -> tuple[Glomerulus, ...]:
    rng = keyed(seed, "glomeruli")
    reach = GLOMERULUS_RADIUS_UM[1]
    low, high = -reach, side_um + reach
    count = rng.poisson(GLOMERULI_PER_MM2 * (high - low) ** 2 / 1e6)
    centres = rng.uniform(low, high, (count, 2))
    if rng.uniform() < CENTRED:
        centre = side_um / 2 + rng.uniform(-0.12, 0.12, (1, 2)) * side_um
        centres = np.concatenate([centre, centres])
    drawn = [_draw_glomerulus(rng, y, x, patient) for y, x in centres]
    kept: list[Glomerulus] = []
    for each in drawn:
        if all(_apart(each, other) > each.radius_um + other.radius_um + 25 for other in kept):
            kept.append(each)
    return tuple(kept)


def _draw_glomerulus(rng: np.random.Generator, y: float, x: float, patient: Patient) -> Glomerulus:
    sclerotic = bool(rng.uniform() < patient.sclerosis)
    radius = rng.uniform(*GLOMERULUS_RADIUS_UM) * patient.size
    shrunk = rng.uniform(*SCLEROTIC_SHRINKS_TO)
    space = rng.uniform(*URINARY_SPACE_UM)
    return Glomerulus(
        y_um=float(y),
        x_um=float(x),
        radius_um=float(radius * shrunk if sclerotic else radius),
        space_um=float(rng.uniform(0.5, 2.5) if sclerotic else space),
        waves=_draw_waves(rng, 0.07),
        sclerotic=sclerotic,
    )


def _draw_waves(rng: np.random.Generator, size: float) -> Waves:
    amplitudes = rng.normal(0, size, 5) / np.arange(1, 6)
    return tuple(zip(amplitudes.tolist(), rng.uniform(0, 2 * np.pi, 5).tolist(), strict=True))


def _apart(first: Glomerulus | Vessel, second: Glomerulus | Vessel) -> float:
    return float(np.hypot(first.y_um - second.y_um, first.x_um - second.x_um))


def _draw_vessels(side_um: float, seed: int, glomeruli: tuple[Glomerulus, ...]) -> tuple[Vessel, ...]:
    rng = keyed(seed, "vessels")
    low, high = -float(MARGIN_UM), side_um + MARGIN_UM
    kept: list[Vessel] = []
    taken: list[Glomerulus | Vessel] = [*glomeruli]
    for _ in range(rng.poisson(VESSELS_PER_MM2 * (high - low) ** 2 / 1e6)):
        y, x = rng.uniform(low, high, 2)
        # Small ones are more common.
        radius = VESSEL_RADIUS_UM[0] + rng.beta(1, 3) * (VESSEL_RADIUS_UM[1] - VESSEL_RADIUS_UM[0])
        wall = radius * rng.uniform(0.4, 0.62)
        each = Vessel(y_um=y, x_um=x, radius_um=radius, wall_um=wall, waves=_draw_waves(rng, 0.09))
        if all(_apart(each, other) > radius + other.radius_um + 6 for other in taken):
            kept.append(each)
            taken.append(each)
    return tuple(kept)


def _draw_tubules(side_um: float, seed: int, patient: Patient) -> Tubules:
    rng = keyed(seed, "tubules")
    stretch = float(np.exp(abs(rng.normal(0, 0.42))))
    angle = float(rng.uniform(0, np.pi))
    half = (side_um / 2 + MARGIN_UM) * np.sqrt(2 * stretch) + CELL_UM
    empty = Tubules(
        sites=np.empty((0, 2)),
        weights=np.empty(0),
        tubule=np.empty(0, np.int32),
        kind=np.empty(0, np.int32),
        stretch=stretch,
        angle=angle,
    )
    centre = np.array([side_um / 2])
    middle = empty.stretched(centre, centre)[0]
    spacing = CELL_UM * patient.size
    sites = _relax(rng, middle + jittered_grid(rng, -half, half, spacing), spacing)
    tubule = _join(rng, sites)
    return Tubules(
        sites=sites,
        weights=rng.uniform(-0.16, 0.16, len(sites)) * spacing**2,
        tubule=tubule,
        kind=rng.choice(3, size=int(tubule.max()) + 1, p=_KINDS).astype(np.int32),
        stretch=stretch,
        angle=angle,
    )


def _relax(rng: np.random.Generator, sites: Points, spacing: float) -> Points:
    """Lloyd's relaxation on random points: cells of like size without the grid's order."""
    low, high = sites.min(axis=0), sites.max(axis=0)
    for _ in range(_RELAXED):
        points = rng.uniform(low, high, (24 * len(sites), 2))
        nearest = cKDTree(sites).query(points)[1]
        counts = np.maximum(np.bincount(nearest, minlength=len(sites)), 1)
        sums = [np.bincount(nearest, weights=points[:, axis], minlength=len(sites)) for axis in (0, 1)]
        sites = np.stack([total / counts for total in sums], axis=1)
    return sites + rng.normal(0, 0.08 * spacing, sites.shape)


def _join(rng: np.random.Generator, sites: Points) -> NDArray[np.int32]:
    """A tubule's number for every cell: some cells go on in their neighbour."""
    neighbours = cKDTree(sites).query(sites, k=4)[1]
    tubule = np.arange(len(sites))
    for cell in np.flatnonzero(rng.uniform(size=len(sites)) < _CONTINUED):
        other = neighbours[cell, rng.integers(1, 4)]
        tubule[tubule == tubule[cell]] = tubule[other]
    return np.unique(tubule, return_inverse=True)[1].astype(np.int32)
