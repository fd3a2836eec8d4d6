"""Markers: macrophages for CD68, capillaries and their endothelium for CD34. PAS knows nothing of where they are.

Where markers may be (interstitium and tufts) is anatomy; where they are is drawn from the marker seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from augengine_train.phantom.draws import Map, Points, keyed, smooth_noise
from augengine_train.phantom.frame import MARGIN_UM, Frame
from augengine_train.phantom.packing import OPEN, OUT, SCLEROTIC, Packing
from augengine_train.phantom.spec import NO_INFILTRATES, Correlation, Infiltrates

INFILTRATE_RADIUS_UM = (60.0, 110.0)
"""Least and greatest radius of infiltrates: those of glomeruli, so that size does not tell them apart."""

Window = tuple[slice, slice]

IS_MARKER = 0.3
"""Coverage by chromogen from which on a pixel counts as marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerKind:
    """How one marker looks.

    Attributes:
        per_mm2: Expected number, outside of glomeruli.
        radius_um: Least and greatest radius.
        in_tuft: Factor on the radius in glomeruli.
        elongated: Greatest ratio of its axes.
        ragged: How irregular the outline is.
        band_um: Width of the stained outline of a hollow marker; None is solid.
        spills_um: How far it reaches beyond the interstitium.
        granular: Standard deviation of the chromogen's amount within a marker, over its mean.
    """

    per_mm2: float
    radius_um: tuple[float, float]
    in_tuft: float
    elongated: float
    ragged: float
    band_um: float | None
    spills_um: float
    granular: float


# A macrophage is 10 to 15 um across. What is brown on the three real patches are granules in a part of it, 4 to 7 um,
# paler on the whole than CD34's red, 480 a mm2, 2 % of the area; kidneys less inflamed hold a tenth. Drawn are
# granular bodies: as many, a little darker and half as large again, since generators at 1 um/px do not carry granules
# (docs/notes/log.md, 2026-11-28). CD34 covers 10 % of the real field and 7 here. Many outlines touch; what
# `augengine_train.phantom.compare` finds of both stains is held to what it finds on real tissue.
KINDS = {
    "cd68": MarkerKind(
        per_mm2=480,
        radius_um=(2.6, 6.2),
        in_tuft=1.0,
        elongated=2.0,
        ragged=0.4,
        band_um=None,
        spills_um=0.8,
        granular=0.6,
    ),
    "cd34": MarkerKind(
        per_mm2=1150,
        radius_um=(3.5, 10.0),
        in_tuft=0.6,
        elongated=3.0,
        ragged=0.16,
        band_um=2.2,
        spills_um=0.3,
        granular=0.3,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Markers:
    """N markers, drawn.

    Attributes:
        kind: How they look.
        seed: Random seed of finer texture.
        places: (N, 2) y and x, um.
        inner: (N,) whether each is within a glomerulus.
        radius: (N,) um.
        ratio, angle: (N,) of the axes, and of the long one.
        strength: (N,) amount of chromogen, about 1.
    """

    kind: MarkerKind
    seed: int
    places: Points
    inner: NDArray[np.bool_]
    radius: NDArray[np.float64]
    ratio: NDArray[np.float64]
    angle: NDArray[np.float64]
    strength: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stained:
    """Markers at the pixels, float32 (side, side).

    Attributes:
        cover: Share of the pixel that chromogen covers, 0 ... 1.
        amount: Amount of chromogen where it is, about 1.
        hollow: Share of the pixel that the lumina within cover, 0 ... 1.
    """

    cover: Map
    amount: Map
    hollow: Map

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where there is a marker: its stained part."""
        return self.cover > IS_MARKER


def draw_markers(
    kind: MarkerKind,
    packing: Packing,
    seed: int,
    correlation: Correlation,
    infiltrates: Infiltrates = NO_INFILTRATES,
) -> Markers:
    """Draw a Poisson number of markers into the interstitium, the tufts and the scars of a field.

    Infiltrates add markers of their own; the others stay as they are without any.
    """
    rng = keyed(seed, "markers")
    factors = {OUT: 1.0, OPEN: correlation.glomeruli, SCLEROTIC: correlation.sclerotic}
    room = _room(packing)
    parts = [_scatter(rng, packing.zone == zone, room, kind.per_mm2 * factor) for zone, factor in factors.items()]
    inner = np.repeat([zone != OUT for zone in factors], [len(part) for part in parts])
    usual = _shape(rng, kind, seed, np.concatenate(parts), inner)
    if not infiltrates.per_mm2:
        return usual
    own = keyed(seed, "infiltrates")
    zone = _infiltrated(own, packing, infiltrates) & (packing.zone == OUT)
    bait = _scatter(own, zone, room, kind.per_mm2 * infiltrates.density)
    return _joined(usual, _shape(own, kind, seed, bait, np.zeros(len(bait), dtype=np.bool_)))


def _infiltrated(rng: np.random.Generator, packing: Packing, infiltrates: Infiltrates) -> NDArray[np.bool_]:
    """Where infiltrates are, on the coarse grid of 1 um."""
    height, width = packing.zone.shape
    y, x = np.mgrid[:height, :width]
    found = np.zeros((height, width), dtype=np.bool_)
    for _ in range(rng.poisson(infiltrates.per_mm2 * height * width / 1e6)):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(*INFILTRATE_RADIUS_UM)
        found |= np.hypot(y - cy, x - cx) < radius
    return found


def _joined(first: Markers, second: Markers) -> Markers:
    """All markers of both, which are of one kind and seed."""
    arrays = ("places", "inner", "radius", "ratio", "angle", "strength")
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in arrays}
    return Markers(kind=first.kind, seed=first.seed, **both)


def _shape(rng: np.random.Generator, kind: MarkerKind, seed: int, places: Points, inner: NDArray[np.bool_]) -> Markers:
    """Markers at some places, with a shape and a strength each."""
    count = len(places)
    return Markers(
        kind=kind,
        seed=seed,
        places=places,
        inner=inner,
        radius=np.where(inner, kind.in_tuft, 1.0) * rng.uniform(*kind.radius_um, count),
        ratio=rng.uniform(1, kind.elongated, count),
        angle=rng.uniform(0, np.pi, count),
        strength=np.exp(rng.normal(0, 0.25, count)),
    )


def _room(packing: Packing) -> NDArray[np.bool_]:
    """Where the middle of a marker may lie, on the coarse grid."""
    stroma = (packing.tubule < -0.6) & (packing.zone == OUT) & (packing.vessel < 0)
    return np.asarray(stroma | (packing.tuft > 3) | (packing.scar > 3))


def _scatter(rng: np.random.Generator, zone: NDArray[np.bool_], room: NDArray[np.bool_], per_mm2: float) -> Points:
    """Places in the room of a zone, as many as its whole area lets expect."""
    rows, columns = np.nonzero(zone & room)
    count = rng.poisson(per_mm2 * np.count_nonzero(zone) / 1e6) if len(rows) else 0
    chosen = rng.integers(0, max(len(rows), 1), count)
    corners = np.stack([rows[chosen], columns[chosen]], axis=1) - MARGIN_UM
    return corners + rng.uniform(0, 1, (count, 2))


def stain_markers(markers: Markers, packing: Packing, frame: Frame) -> Stained:
    """Apply markers at the pixels of a frame: within the interstitium, tufts and scars, with ragged outlines."""
    shape = (frame.side, frame.side)
    rng = keyed(markers.seed, "outlines")
    coarse, fine = (smooth_noise(rng, shape, um / frame.mpp) for um in (2.2, 0.8))
    rough = (coarse + np.float32(0.5) * fine) * np.float32(markers.kind.ragged)
    speckle = smooth_noise(rng, shape, 0.7 / frame.mpp)
    allowed = _allowed(markers.kind, packing, frame)
    cover, amount, hollow = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    for number, window in _windows(markers, frame):
        depth = _depth(markers, number, window, rough, frame)
        body = frame.reach(depth) * allowed[int(markers.inner[number])][window]
        band = _band(body, markers.kind, frame)
        np.maximum(amount[window], band * np.float32(markers.strength[number]), out=amount[window])
        np.maximum(cover[window], band, out=cover[window])
        np.maximum(hollow[window], body - band, out=hollow[window])
    texture = np.clip(1 + np.float32(markers.kind.granular) * speckle, 0.35, 1.8)
    return Stained(cover=cover, amount=amount * texture, hollow=hollow * (1 - cover))


def _allowed(kind: MarkerKind, packing: Packing, frame: Frame) -> tuple[Map, Map]:
    """Where markers outside of glomeruli may reach, and those within."""
    tubule, capsule, vessel = (frame.refine(each) for each in (packing.tubule, packing.capsule, packing.vessel))
    stroma = frame.reach(kind.spills_um - tubule) * frame.reach(-capsule) * frame.reach(-vessel)
    inner = np.maximum(frame.refine(packing.tuft), frame.refine(packing.scar))
    return stroma, frame.reach(inner)


def _windows(markers: Markers, frame: Frame) -> Iterator[tuple[int, Window]]:
    reach = (markers.radius * np.sqrt(markers.ratio) * (1 + 2 * markers.kind.ragged))[:, None]
    low = np.clip(np.floor((markers.places - reach) / frame.mpp).astype(int), 0, frame.side)
    high = np.clip(np.ceil((markers.places + reach) / frame.mpp).astype(int), 0, frame.side)
    for number in np.flatnonzero((high > low).all(axis=1)):
        yield int(number), (slice(low[number, 0], high[number, 0]), slice(low[number, 1], high[number, 1]))


def _depth(markers: Markers, number: int, window: Window, rough: Map, frame: Frame) -> Map:
    """Depth below the outline of one marker, um."""
    along = frame.pixels_um()
    dy = along[window[0], None] - np.float32(markers.places[number, 0])
    dx = along[None, window[1]] - np.float32(markers.places[number, 1])
    cos, sin = np.float32(np.cos(markers.angle[number])), np.float32(np.sin(markers.angle[number]))
    root, radius = np.float32(np.sqrt(markers.ratio[number])), np.float32(markers.radius[number])
    distance = np.hypot((cos * dx + sin * dy) / root, (cos * dy - sin * dx) * root)
    return radius * (1 + rough[window]) - distance


def _band(body: Map, kind: MarkerKind, frame: Frame) -> Map:
    """The stained part of a marker: all of it, or an outline."""
    if kind.band_um is None:
        return body
    inside = distance_transform_edt(np.pad(body > 0.5, 1))[1:-1, 1:-1].astype(np.float32) * np.float32(frame.mpp)
    return body * frame.reach(kind.band_um - inside)
