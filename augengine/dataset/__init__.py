"""A dataset: made or gone on with (`augment`), predicted, replayed, drawn; and one image in memory (`Augmenter`).

A run goes request -> resolved and checked -> engines -> plan -> shards -> summary.
"""

from augengine.dataset.outcome import Prediction, Summary
from augengine.dataset.prediction import predict
from augengine.dataset.remake import Replayed, replay
from augengine.dataset.request import AugmentRequest
from augengine.dataset.run import augment
from augengine.dataset.sheet import draw_sheet

__all__ = [
    "AugmentRequest",
    "Prediction",
    "Replayed",
    "Summary",
    "augment",
    "draw_sheet",
    "predict",
    "replay",
]
