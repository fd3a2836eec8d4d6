"""What a generator is trained on: two unpaired domains of pictures, and random crops of them."""

from __future__ import annotations

from augengine.tiling.patients import Patients
from augengine_train.data.crops import MarkerPreference, UnpairedCrops, check_patients
from augengine_train.data.domain import Domain, open_domain
from augengine_train.data.splits import Holdout

__all__ = ["Domain", "Holdout", "MarkerPreference", "Patients", "UnpairedCrops", "check_patients", "open_domain"]
