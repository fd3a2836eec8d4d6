"""Examines a machine: what it has, what it lacks, and what to do about that."""

from augengine.doctor.examination import Examination, examine
from augengine.doctor.finding import Finding

__all__ = ["Examination", "Finding", "examine"]
