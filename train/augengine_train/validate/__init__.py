"""How good a pair of generators is on tissue it has not seen, in numbers; also ``augengine train validate``."""

from __future__ import annotations

from augengine.measures import CycleError
from augengine_train.validate.passes import measure
from augengine_train.validate.report import Validation

__all__ = ["CycleError", "Validation", "measure"]
