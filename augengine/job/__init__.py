"""From a job to a committed shard: samples read, augmented, encoded, written and published."""

from augengine.job.check import check_source_mpp
from augengine.job.spec import EnginesSpec, WorkerSpec, mpp_fits
from augengine.job.worker import Worker

__all__ = ["EnginesSpec", "Worker", "WorkerSpec", "check_source_mpp", "mpp_fits"]
