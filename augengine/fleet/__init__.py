"""Many jobs: in this process, or over Ray. One signature (`base.Executor`), equal bytes."""

from augengine.fleet.base import HELD_JOBS, RETRIES, Executor
from augengine.fleet.local import run_local
from augengine.fleet.pool import run_ray

__all__ = ["HELD_JOBS", "RETRIES", "Executor", "run_local", "run_ray"]
