"""What a generator is trained on: two unpaired domains of pictures, and random crops of them."""

from __future__ import annotations

from train.data.crops import MarkerPreference, UnpairedCrops, check_patients
from train.data.domain import Domain, open_domain
from train.data.splits import Holdout, Patients

__all__ = ["Domain", "Holdout", "MarkerPreference", "Patients", "UnpairedCrops", "check_patients", "open_domain"]
