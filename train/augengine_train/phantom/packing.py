"""Where everything lies: an anatomy's values applied on the coarse grid, as depths in um."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum
from scipy.spatial import cKDTree

from augengine_train.phantom.anatomy import Anatomy, Glomerulus, Vessel
from augengine_train.phantom.draws import Map, keyed, smooth_noise
from augengine_train.phantom.frame import Frame

OUTSIDE = np.float32(-1e3)
OUT, OPEN, SCLEROTIC = range(3)
_NO_TUBULE = -1
_CORNER_UM = 9.0
_WALL_UM = 3.0  # between a tubule and a capsule or a vessel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packing:
    """Depths on the coarse grid, float32 in um, positive inside.

    Attributes:
        tubule: Depth below the basement membrane of the tubule; negative in the interstitium.
        number: Which tubule; int32.
        widest: (T,) The greatest depth of each tubule.
        capsule: Depth below Bowman's capsule.
        tuft: Depth below the surface of an open glomerulus's tuft.
        scar: The same of a sclerotic one's.
        zone: OUT of glomeruli, within an OPEN or within a SCLEROTIC one's capsule; uint8.
        vessel: Depth below a vessel's outer surface.
        wall: Depth below a vessel's outer surface less its wall: positive in the lumen.
    """

    tubule: Map
    number: NDArray[np.int32]
    widest: NDArray[np.floating[Any]]
    capsule: Map
    tuft: Map
    scar: Map
    zone: NDArray[np.uint8]
    vessel: Map
    wall: Map


def pack(anatomy: Anatomy, frame: Frame) -> Packing:
    """Apply an anatomy on the coarse grid of a frame."""
    capsule, tuft, scar, zone = _glomeruli(anatomy, frame)
    vessel, wall = _vessels(anatomy, frame)
    number = _tubules(anatomy, frame)
    taken = np.maximum(capsule, vessel) > -_WALL_UM
    number[taken] = _NO_TUBULE
    depth, widest = _depth(number, _gaps(anatomy, frame), len(anatomy.tubules.kind))
    return Packing(
        tubule=depth,
        number=number,
        widest=widest,
        capsule=capsule,
        tuft=tuft,
        scar=scar,
        zone=zone,
        vessel=vessel,
        wall=wall,
    )


def _tubules(anatomy: Anatomy, frame: Frame) -> NDArray[np.int32]:
    """Which tubule's cell each place is in."""
    rng = keyed(anatomy.seed, "warp")
    y, x = frame.places_um()
    bent = [
        axis + 7 * smooth_noise(rng, frame.shape_um, 30) + 1.6 * smooth_noise(rng, frame.shape_um, 9) for axis in (y, x)
    ]
    tubules = anatomy.tubules
    places = tubules.stretched(*bent).reshape(-1, 2)
    distances, nearest = cKDTree(tubules.sites).query(places, k=3)
    best = np.argmin(distances**2 - tubules.weights[nearest], axis=1)
    cell = np.take_along_axis(nearest, best[:, None], axis=1)[:, 0]
    number: NDArray[np.int32] = tubules.tubule[cell].reshape(frame.shape_um)
    return number


def _gaps(anatomy: Anatomy, frame: Frame) -> Map:
    """Half the width of the interstitium, um: thin, with wide places where there is fibrosis."""
    rng = keyed(anatomy.seed, "gaps")
    patient = anatomy.patient
    fine = patient.gap_um * np.exp(0.35 * smooth_noise(rng, frame.shape_um, 12))
    scarred = np.clip(smooth_noise(rng, frame.shape_um, 40) - (1.3 - 3 * patient.fibrosis), 0, None)
    gaps: Map = (fine + 5 * scarred).astype(np.float32)
    return np.minimum(gaps, np.float32(8))


def _depth(number: NDArray[np.int32], gaps: Map, count: int) -> tuple[Map, NDArray[np.floating[Any]]]:
    """Depth below the basement membrane, with rounded corners, and the greatest depth of each tubule."""
    across = distance_transform_edt(~_borders(number)).astype(np.float32)
    tubules = np.arange(count)
    widest = np.nan_to_num(np.asarray(maximum(across, number, tubules), dtype=np.float32))
    # A core is dilated again by what it was eroded: corners become arcs. What has no core is interstitium.
    corner = np.where(number == _NO_TUBULE, np.float32(1e3), np.minimum(_CORNER_UM, 0.4 * widest)[number])
    core = across > corner
    if not core.any():
        return np.full(number.shape, OUTSIDE), widest
    outside, nearest = distance_transform_edt(~core, return_indices=True)
    rounded = np.where(core, across, corner[tuple(nearest)] - outside)
    return (rounded - gaps).astype(np.float32), widest


def _borders(number: NDArray[np.int32]) -> NDArray[np.bool_]:
    border: NDArray[np.bool_] = number == _NO_TUBULE
    for axis in (0, 1):
        ahead = np.take(number, range(1, number.shape[axis]), axis=axis)
        behind = np.take(number, range(number.shape[axis] - 1), axis=axis)
        differs = ahead != behind
        low = [slice(None)] * 2
        low[axis] = slice(0, -1)
        border[tuple(low)] |= differs
    return border


def _glomeruli(anatomy: Anatomy, frame: Frame) -> tuple[Map, Map, Map, NDArray[np.uint8]]:
    rough = smooth_noise(keyed(anatomy.seed, "tufts"), frame.shape_um, 7)
    capsule, tuft, scar = (np.full(frame.shape_um, OUTSIDE) for _ in range(3))
    zone = np.full(frame.shape_um, OUT, dtype=np.uint8)
    for each in anatomy.glomeruli:
        inside = _depth_in(each, frame)
        surface = inside - each.space_um - (0.5 if each.sclerotic else 4.5) * np.maximum(rough, -1)
        kind = scar if each.sclerotic else tuft
        np.maximum(capsule, inside, out=capsule)
        np.maximum(kind, np.minimum(surface, inside), out=kind)
        zone[inside > 0] = SCLEROTIC if each.sclerotic else OPEN
    return capsule, tuft, scar, zone


def _vessels(anatomy: Anatomy, frame: Frame) -> tuple[Map, Map]:
    vessel, wall = (np.full(frame.shape_um, OUTSIDE) for _ in range(2))
    for each in anatomy.vessels:
        inside = _depth_in(each, frame)
        np.maximum(vessel, inside, out=vessel)
        np.maximum(wall, inside - each.wall_um, out=wall)
    return vessel, wall


def _depth_in(each: Glomerulus | Vessel, frame: Frame) -> Map:
    """Depth below a wavy circle, along its rays."""
    y, x = frame.places_um()
    dy, dx = y - np.float32(each.y_um), x - np.float32(each.x_um)
    angle = np.arctan2(dy, dx)
    outline = np.float32(1) + sum(
        np.float32(amplitude) * np.cos((order + 1) * angle + np.float32(phase))
        for order, (amplitude, phase) in enumerate(each.waves, start=1)
    )
    depth: Map = (each.radius_um * outline - np.hypot(dy, dx)).astype(np.float32)
    return depth
