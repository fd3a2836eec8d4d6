"""A whole run: request -> resolved and checked -> engines -> plan -> shards -> summary."""

from augengine.augment.outcome import Prediction, Summary
from augengine.augment.request import AugmentRequest, Watcher
from augengine.augment.run import augment, predict

__all__ = ["AugmentRequest", "Prediction", "Summary", "Watcher", "augment", "predict"]
