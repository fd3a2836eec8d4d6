"""Ray: a cluster joined, or one of our own on loopback, and each worker's share of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from augengine.errors import WorkerError
from augengine.fleet.base import WorkerSpec

_CONNECT_SECONDS = 10.0
_TOKEN = "RAY_AUTH_MODE=token"  # noqa: S105 - the name of a setting, no secret


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        ray: The package.
        threads: CPU threads of each worker.
        cores: The cores of each worker, disjoint, where the machine is ours alone; else empty.
    """

    ray: Any
    threads: int
    cores: tuple[tuple[int, ...], ...]


@contextmanager
def join(address: str | None, workers: int, worker: WorkerSpec) -> Iterator[Cluster]:
    """Join the cluster at ``address``, or start one; what was started here is stopped here.

    Raises:
        WorkerError: Nobody answers there, the cluster refuses us, or it is too small for the workers.
    """
    ray = _import_ray()
    with _own_signals():
        _init(ray, address, workers, worker)
    try:
        yield _share(ray, address, workers, worker)
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray  # half a second and much memory: only where workers are many

    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our answers to signals, which Ray replaces by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _init(ray: Any, address: str | None, workers: int, worker: WorkerSpec) -> None:
    options: dict[str, Any] = {"address": address}
    if address:
        _check_reachable(address)
    else:
        gpus = 0 if worker.device_id is None else workers
        options = {
            "address": "local",
            "num_cpus": workers * worker.threads,
            "num_gpus": gpus,
            "include_dashboard": False,
        }
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except ray.exceptions.AuthenticationError as error:
        hint = f"set {_TOKEN} and the cluster's token in this shell too"
        raise WorkerError(f"Ray at {address} wants a token: {first_line(error)}", hint=hint) from error
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"join Ray at {address}" if address else "start Ray"
        hint = f"check --ray, or leave it out; a cluster with tokens wants {_TOKEN} here too"
        raise WorkerError(f"cannot {where}: {first_line(error)}", hint=hint) from error


def _share(ray: Any, address: str | None, workers: int, worker: WorkerSpec) -> Cluster:
    if not address:
        return Cluster(ray, worker.threads, _disjoint_cores(workers, worker.threads))
    has = ray.cluster_resources()
    gpus, cpus = int(has.get("GPU", 0)), int(has.get("CPU", 0))
    if worker.device_id is not None and gpus < workers:
        raise WorkerError(f"the cluster has {gpus} GPUs, {workers} workers need one each", hint="fewer --workers")
    if cpus < workers:
        raise WorkerError(f"the cluster has {cpus} CPUs, {workers} workers need one each", hint="fewer --workers")
    # This machine's cores say nothing of the cluster's.
    return Cluster(ray, cpus // workers, ())


def _disjoint_cores(workers: int, threads: int) -> tuple[tuple[int, ...], ...]:
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < workers * threads:
        return ()
    return tuple(tuple(cores[i * threads : (i + 1) * threads]) for i in range(workers))


def _check_reachable(address: str) -> None:
    """Ray itself goes on trying for minutes before it says that nobody answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # "auto" and the like are Ray's to resolve
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        hint = "give --ray the HOST:PORT that `ray start --head` printed, or leave it out"
        raise WorkerError(f"cannot join Ray at {address}: {error}", hint=hint) from error


def first_line(error: BaseException) -> str:
    """What a person needs of a foreign error's many lines."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
