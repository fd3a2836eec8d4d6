"""What a machine has, and what to do about what it lacks."""

from augengine.doctor.examination import Examination, examine
from augengine.doctor.finding import Finding

__all__ = ["Examination", "Finding", "examine"]
