"""The tissue phantom: drawn kidney whose markers and glomeruli are known, in PAS, CD68 and CD34."""

from __future__ import annotations

from augengine_train.phantom.field import Field, draw_field
from augengine_train.phantom.patients import Patient, Slide
from augengine_train.phantom.series import Series
from augengine_train.phantom.shards import MARKER_EXT, Drawn, write_series
from augengine_train.phantom.spec import Correlation, FieldSpec

__all__ = [
    "MARKER_EXT",
    "Correlation",
    "Drawn",
    "Field",
    "FieldSpec",
    "Patient",
    "Series",
    "Slide",
    "draw_field",
    "write_series",
]
