"""A field drawn: its picture, its masks, and what it is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.json_values import to_json
from augengine_train.phantom.anatomy import Anatomy, Glomerulus, draw_anatomy
from augengine_train.phantom.markers import KINDS, draw_markers, stain_markers
from augengine_train.phantom.patients import Patient, Slide
from augengine_train.phantom.render import render
from augengine_train.phantom.spec import FieldSpec
from augengine_train.phantom.tissue import make_tissue

BACKGROUND, GLOMERULUS = 0, 1
"""Class ids of the mask; a sclerotic glomerulus is a glomerulus."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """A drawn field.

    Attributes:
        spec: What it was drawn from.
        image: uint8 (side, side, 3), 8-bit RGB.
        glomeruli: uint8 (side, side) of class ids: 0 background, 1 glomerulus, sclerotic or not, capsule included.
        markers: uint8 (side, side): 1 where there is a marker. For PAS, which shows none, those that CD68 would have
            with this marker seed.
        glomerulus_count, sclerotic_count: Glomeruli that reach into the picture, and how many of them are sclerotic.
    """

    spec: FieldSpec
    image: NDArray[np.uint8]
    glomeruli: NDArray[np.uint8]
    markers: NDArray[np.uint8]
    glomerulus_count: int
    sclerotic_count: int

    def to_json(self) -> dict[str, Any]:
        """What a shard says of it."""
        spec = self.spec
        return {
            "mpp": spec.mpp,
            "stain": spec.stain,
            "patient": Patient.of(spec.patient).name,
            "anatomy_seed": spec.anatomy_seed,
            "marker_seed": spec.marker_seed,
            "glomeruli": self.glomerulus_count,
            "sclerotic": self.sclerotic_count,
            "correlation": to_json(spec.correlation),
            "infiltrates": to_json(spec.infiltrates),
        }


def draw_field(spec: FieldSpec) -> Field:
    """Draw a field; a pure function of its spec.

    One anatomy seed in several stains is one tissue, as in consecutive sections; another marker seed moves the markers
    and changes nothing else.
    """
    patient = Patient.of(spec.patient)
    anatomy = draw_anatomy(spec.side * spec.mpp, spec.anatomy_seed, patient)
    tissue = make_tissue(anatomy, spec.side, spec.mpp)
    kind = KINDS["cd68" if spec.stain == "pas" else spec.stain]
    markers = draw_markers(kind, tissue.packing, spec.marker_seed, spec.correlation, spec.infiltrates)
    stained = stain_markers(markers, tissue.packing, tissue.frame)
    shown = None if spec.stain == "pas" else stained
    inside = [each for each in anatomy.glomeruli if _reaches_in(each, anatomy)]
    return Field(
        spec=spec,
        image=render(tissue, spec.stain, Slide.of(patient, spec.stain), shown, spec.anatomy_seed),
        glomeruli=np.where(tissue.glomeruli, GLOMERULUS, BACKGROUND).astype(np.uint8),
        markers=stained.mask.astype(np.uint8),
        glomerulus_count=len(inside),
        sclerotic_count=sum(each.sclerotic for each in inside),
    )


def _reaches_in(each: Glomerulus, anatomy: Anatomy) -> bool:
    """Whether its mean outline reaches into the picture."""
    nearest = np.clip([each.y_um, each.x_um], 0, anatomy.side_um)
    return bool(np.hypot(*(nearest - (each.y_um, each.x_um))) < each.radius_um)
