"""From a job to a committed shard: samples read, augmented, encoded, written and published."""

from augengine.job.spec import EnginesSpec, WorkerSpec, mpp_fits
from augengine.job.worker import Worker

__all__ = ["EnginesSpec", "Worker", "WorkerSpec", "mpp_fits"]
