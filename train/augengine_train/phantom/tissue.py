"""The structures of a field at its pixels: how much of each pixel is what, before any stain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from augengine_train.phantom.anatomy import COLLECTING, DISTAL, PROXIMAL, Anatomy
from augengine_train.phantom.draws import Map, jittered_grid, keyed, smooth_noise
from augengine_train.phantom.frame import Frame
from augengine_train.phantom.nuclei import draw_nuclei, stamp
from augengine_train.phantom.packing import Packing, pack


class Structure(IntEnum):
    """What a pixel can be part of; what it is not covered by is empty and white."""

    STROMA = 0
    CYTOPLASM = 1
    BASEMENT = 2
    BRUSH = 3
    MUSCLE = 4
    MESANGIUM = 5
    SCAR = 6
    NUCLEUS = 7


# Proximal epithelium is a high cube with a brush border of 1 to 2 um, distal and collecting epithelium is lower
# (Mescher); heights are fitted to the real PAS field by eye. Basement membranes are as wide as PAS shows them.
_HEIGHT_UM = {PROXIMAL: (12.0, 18.0), DISTAL: (7.0, 10.0), COLLECTING: (8.0, 11.0)}
_BRUSH_UM = 1.8
_BASEMENT_UM = 0.9
_CAPSULE_UM = 2.2
_PARIETAL_UM = 2.5

# A glomerular capillary is 8 to 10 um across, its basement membrane 0.3 um thick: drawn wider, as optics show it.
_LOOP_UM = 9.0
_LOOP_WALL_UM = 0.9
_OPEN_LOOPS = 0.58


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tissue:
    """A field's structures.

    Attributes:
        frame: Its grids.
        packing: Depths on the coarse grid.
        cover: float32 (structures, side, side); the nuclei's holds their chromatin's density too.
        haze: float32 (side, side): how far each place takes up chromogen non-specifically, about 0 ... 2.
        grain: float32 (side, side): unit noise of cytoplasm's granules.
        glomeruli: bool (side, side): within a Bowman's capsule.
    """

    frame: Frame
    packing: Packing
    cover: NDArray[np.float32]
    haze: Map
    grain: Map
    glomeruli: NDArray[np.bool_]


def make_tissue(anatomy: Anatomy, side: int, mpp: float) -> Tissue:
    """Apply an anatomy at the pixels; a pure function of its arguments."""
    frame = Frame(side, mpp)
    packing = pack(anatomy, frame)
    painter = _Painter(anatomy, frame, packing)
    painter.paint_tubules()
    painter.paint_vessels()
    painter.paint_glomeruli()
    nuclei = stamp(draw_nuclei(anatomy, frame, packing), frame)
    painter.put(Structure.NUCLEUS, nuclei.cover, nuclei.density)
    return Tissue(
        frame=frame,
        packing=packing,
        cover=painter.cover,
        haze=painter.haze,
        grain=painter.grain,
        glomeruli=frame.refine(packing.capsule) > 0,
    )


class _Painter:
    """Puts one structure over another; what lies below shows through as far as the upper leaves it open."""

    def __init__(self, anatomy: Anatomy, frame: Frame, packing: Packing) -> None:
        self._anatomy, self._frame, self._packing = anatomy, frame, packing
        self._shape = (frame.side, frame.side)
        self.cover = np.zeros((len(Structure), *self._shape), dtype=np.float32)
        self.cover[Structure.STROMA] = self._stroma()
        self.haze = np.full(self._shape, 0.25, dtype=np.float32)
        self.grain = self._noise("grain", 0.55)

    def put(self, structure: Structure | None, cover: Map, density: Map | float = 1.0) -> None:
        """Cover what is there by a structure, or by nothing."""
        self.cover *= 1 - cover
        if structure is not None:
            self.cover[structure] += cover * density

    def _noise(self, purpose: str, sigma_um: float) -> Map:
        return smooth_noise(keyed(self._anatomy.seed, purpose), self._shape, sigma_um / self._frame.mpp)

    def _stroma(self) -> Map:
        """Loose: fibres with gaps between them."""
        fibres = 0.75 + 0.22 * self._noise("fibres", 0.9) + 0.15 * self._noise("oedema", 5)
        return np.clip(fibres, 0.05, 1.4)

    def paint_tubules(self) -> None:
        """Basement membrane, epithelium with its brush border and holes, lumen."""
        frame, packing = self._frame, self._packing
        depth = frame.refine(packing.tubule)
        number = np.maximum(frame.refine_labels(packing.number), 0)
        look = _draw_looks(self._anatomy, packing)
        height = look.height[number]
        ragged = depth + look.ragged[number] * (0.7 * self._noise("ragged", 3) + 0.6 * self._noise("frayed", 1.1))
        clumps = 0.16 * self._noise("tone", 6) + 0.20 * self._noise("clumps", 1.6) + 0.20 * self.grain
        tone = look.tone[number] * (1 + clumps)
        inside = frame.reach(depth)
        self.put(Structure.CYTOPLASM, inside, np.clip(tone, 0.2, 2))
        self.haze += inside * (look.haze[number] * (1 + 0.2 * self._noise("haze", 4)) - 0.25)
        self._make_holes(depth, height, look.holes[number], inside)
        lumen = frame.reach(ragged - height) * inside
        brush = frame.reach(ragged - height + _BRUSH_UM) * inside * look.brush[number]
        self.put(Structure.BRUSH, brush * np.clip(0.8 + 0.3 * self.grain, 0, 1))
        self.put(None, lumen * (1 - 0.12 * np.clip(self._noise("debris", 1.5) - 0.6, 0, 1)))
        membrane = frame.reach(_BASEMENT_UM / 2 + 0.2 - np.abs(depth))
        self.put(Structure.BASEMENT, membrane * np.clip(0.85 + 0.25 * self._noise("membrane", 6), 0.2, 1))

    def _make_holes(self, depth: Map, height: Map, holes: Map, inside: Map) -> None:
        """Vacuoles: small round holes, more of them towards the lumen."""
        noise = self._noise("vacuoles", 1.1)
        limit = 2.6 - 9 * holes - 0.8 * np.clip(depth / height, 0, 1)
        self.put(None, inside * 0.85 * np.clip((noise - limit) * 3, 0, 1) * (depth > 1.5))

    def paint_vessels(self) -> None:
        """A wall of muscle about a lumen."""
        frame, packing = self._frame, self._packing
        outer, inner = frame.refine(packing.vessel), frame.refine(packing.wall)
        layers = 0.85 + 0.2 * np.sin(outer * 1.9 + 1.5 * self._noise("layers", 5)) + 0.12 * self.grain
        self.put(Structure.STROMA, frame.reach(outer + 4), 1.1)
        self.put(Structure.MUSCLE, frame.reach(outer), np.clip(layers, 0.2, 1.4))
        self.put(Structure.BASEMENT, 0.7 * frame.reach(0.9 - np.abs(inner)))
        self.put(None, frame.reach(inner - 0.6))

    def paint_glomeruli(self) -> None:
        """Capsule, urinary space, and the tuft or the scar within."""
        frame, packing = self._frame, self._packing
        capsule, tuft, scar = (frame.refine(each) for each in (packing.capsule, packing.tuft, packing.scar))
        self.put(Structure.BASEMENT, frame.reach(capsule), 0.9)
        lining = frame.reach(capsule - _CAPSULE_UM)
        self.put(Structure.CYTOPLASM, lining, 0.6)
        self.put(None, frame.reach(capsule - _CAPSULE_UM - 0.5 * _PARIETAL_UM))
        self._paint_loops(frame.reach(tuft) * lining)
        strands = 0.2 * self._noise("strands", 1.3) + 0.2 * self._noise("scars", 4)
        rough = 0.9 + strands + 0.08 * self._noise("scars, coarse", 12) + 0.1 * self.grain
        self.put(Structure.SCAR, frame.reach(scar) * frame.reach(capsule), np.clip(rough, 0.2, 1.5))

    def _paint_loops(self, tuft: Map) -> None:
        """Capillary loops: cells of a Voronoi diagram, some open, some mesangium or cells, with walls between."""
        if not tuft.any():
            return
        wall, open_, fill = (self._frame.refine(each) for each in self._loops())
        patchy = 0.7 + 0.18 * self.grain + 0.3 * self._noise("cells", 2.5)
        self.put(Structure.CYTOPLASM, tuft, np.clip(patchy, 0.1, 1.4))
        matrix = np.clip(0.85 + 0.22 * self._noise("matrix", 1.8), 0.2, 1.4)
        self.put(Structure.MESANGIUM, tuft * self._frame.reach(fill - 0.5) * 0.8, matrix)
        self.put(None, tuft * self._frame.reach(open_ - 0.5) * self._frame.reach(wall - _LOOP_WALL_UM) * 0.92)
        line = self._frame.reach(_LOOP_WALL_UM / 2 - np.abs(wall - 0.6))
        self.put(Structure.BASEMENT, tuft * line * np.clip(0.55 + 0.3 * self._noise("loops", 3), 0, 0.9))

    def _loops(self) -> tuple[Map, Map, Map]:
        """Maps on the coarse grid: depth below the loop's wall, whether it is open, whether it is mesangium."""
        rng, frame = keyed(self._anatomy.seed, "loops"), self._frame
        sites = jittered_grid(rng, -40, frame.side_um + 40, _LOOP_UM)
        kind = rng.uniform(size=len(sites))
        bent = [axis + 2.0 * smooth_noise(rng, frame.shape_um, 5) for axis in frame.places_um()]
        depth, open_, fill = (np.zeros(frame.shape_um, dtype=np.float32) for _ in range(3))
        where = self._packing.tuft > -3
        distances, nearest = cKDTree(sites).query(np.stack([axis[where] for axis in bent], axis=1), k=2)
        depth[where] = (distances[:, 1] - distances[:, 0]) / 2
        open_[where] = kind[nearest[:, 0]] < _OPEN_LOOPS
        fill[where] = kind[nearest[:, 0]] > 0.84
        return depth, open_, fill


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looks:
    """Looks of each tubule: height of its epithelium, tone, haze, holes, brush border, raggedness of its lumen."""

    height: Map
    tone: Map
    haze: Map
    holes: Map
    brush: Map
    ragged: Map


def _draw_looks(anatomy: Anatomy, packing: Packing) -> _Looks:
    rng, kind, patient = keyed(anatomy.seed, "tubules' looks"), anatomy.tubules.kind, anatomy.patient
    proximal = (kind == PROXIMAL).astype(np.float64)
    low, high = (np.array([_HEIGHT_UM[k][end] for k in range(3)])[kind] for end in (0, 1))
    height = low + rng.uniform(size=len(kind)) * (high - low)
    # A small tubule's epithelium is lower, and its lumen stays open by a few um.
    height = np.minimum(height / patient.open_lumina, 0.8 * np.nan_to_num(packing.widest, nan=0) + 0.5)
    values = {
        "height": height,
        "tone": np.where(proximal, 1.0, 0.72) * np.exp(rng.normal(0, 0.14, len(kind))),
        "haze": np.where(proximal, 1.3, 0.3) * rng.gamma(2, 0.5, len(kind)),
        "holes": np.where(proximal, 1.0, 0.25) * patient.vacuoles * rng.uniform(0.3, 2, len(kind)),
        "brush": proximal * rng.uniform(0.4, 1, len(kind)),
        "ragged": np.where(proximal, 2.4, 0.8) * rng.uniform(0.6, 1.4, len(kind)),
    }
    return _Looks(**{name: np.asarray(each, dtype=np.float32) for name, each in values.items()})
