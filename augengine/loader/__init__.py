"""A dataset read by a trainer: each source once per epoch, as itself or as one of its variants."""

from augengine.loader.epoch_index import write_epoch_index
from augengine.loader.opening import open_dataset

__all__ = ["open_dataset", "write_epoch_index"]
