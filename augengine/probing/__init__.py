"""A stain's generators looked at before a dataset is trusted to them: measured (`probe`), and drawn (`preview`)."""

from augengine.measures import Wipes
from augengine.measures.verdict import Bounds
from augengine.probing.chosen_eps import apply_eps
from augengine.probing.preview import preview
from augengine.probing.report import Probe
from augengine.probing.request import PREVIEW_SIGMAS, PROBE_SIGMAS, SIZE, PreviewRequest, ProbeRequest, SpecimenRequest
from augengine.probing.run import probe

__all__ = [
    "PREVIEW_SIGMAS",
    "PROBE_SIGMAS",
    "SIZE",
    "Bounds",
    "PreviewRequest",
    "Probe",
    "ProbeRequest",
    "SpecimenRequest",
    "Wipes",
    "apply_eps",
    "preview",
    "probe",
]
