"""Joins a Ray cluster or starts one of our own, and gives each worker its share of it."""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.errors import WorkerError
from augengine.fleet.base import WorkerSpec
from augengine.fleet.nodes import Node, crew
from augengine.fleet.seclusion import secluded, user_settings
from augengine.progress import readable_bytes

_CONNECT_SECONDS = 10.0
_TOKEN = "RAY_AUTH_MODE=token"  # noqa: S105 - the name of a setting, no secret


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        ray: The package.
        workers: How many it is to run.
        threads: CPU threads of each worker.
        cores: The cores of each worker, disjoint, where the machine is ours alone; else empty.
    """

    ray: Any
    workers: int
    threads: int
    cores: tuple[tuple[int, ...], ...]


MIN_ROOM_BYTES = 16 << 20
"""What must be free in the temporary folder for a Ray of our own; it wrote 220 kB for two workers and eight shards."""


@contextmanager
def join(address: str | None, workers: int | None, worker: WorkerSpec) -> Iterator[Cluster]:
    """Join the cluster at ``address``, or start one; what was started here is stopped here.

    Raises:
        WorkerError: Nobody answers there, the cluster refuses us, or it is too small for the workers; or this process
            is in a cluster already.
    """
    check_address(address)
    ray = import_ray()
    if ray.is_initialized():
        hint = "leave it first: ray.shutdown(); to use a cluster, give its address (--ray)"
        raise WorkerError("this process is connected to Ray already, and can be so once", hint=hint)
    if not address and workers is None:
        raise WorkerError("how many workers to run is not known", hint="--workers N")
    with user_settings(ray) if address else secluded(ray):
        try:
            with _own_signals():
                _init(ray, address, workers, worker)
            yield _share(ray, address, workers, worker)
        finally:
            ray.shutdown()


def import_ray() -> Any:
    """The package, without its telemetry."""
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
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _init(ray: Any, address: str | None, workers: int | None, worker: WorkerSpec) -> None:
    options: dict[str, Any] = {"address": address}
    if address:
        _check_reachable(address)
    else:
        check_room(Path(tempfile.gettempdir()))
        workers = workers or 1
        gpus = 0 if worker.device_id is None else math.ceil(workers / worker.workers_per_gpu)
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


def check_room(folder: Path, needed: int = MIN_ROOM_BYTES) -> None:
    """Refuse a temporary folder that is full: a Ray of our own writes there, and would wait in vain for its files.

    Raises:
        WorkerError: It has fewer bytes left than ``needed``.
    """
    if (free := shutil.disk_usage(folder).free) < needed:
        hint = "free some space, or name a folder on another disk by TMPDIR; one worker needs no Ray"
        room = f"{readable_bytes(free)} left, Ray needs {readable_bytes(needed)}"
        raise WorkerError(f"the temporary folder {folder} has {room}", hint=hint)


def _share(ray: Any, address: str | None, workers: int | None, worker: WorkerSpec) -> Cluster:
    if not address:
        workers = workers or 1
        return Cluster(ray, workers, worker.threads, _disjoint_cores(workers, worker.threads))
    on_gpu, per_gpu = worker.device_id is not None, worker.workers_per_gpu
    many, threads = crew(find_nodes(ray), workers, on_gpu=on_gpu, per_gpu=per_gpu)
    # This machine's cores say nothing of the cluster's.
    return Cluster(ray, many, threads, ())


def find_nodes(ray: Any) -> list[Node]:
    """Those that are alive and can run something, by address."""
    alive = [each for each in ray.nodes() if each["Alive"] and each["Resources"].get("CPU", 0) >= 1]
    found = [
        Node(
            id=each["NodeID"],
            host=each["NodeManagerHostname"] + f" ({each['NodeManagerAddress']}, {each['NodeID'][:6]})",
            cpus=int(each["Resources"]["CPU"]),
            gpus=int(each["Resources"].get("GPU", 0)),
        )
        for each in alive
    ]
    return sorted(found, key=lambda node: node.host)


def _disjoint_cores(workers: int, threads: int) -> tuple[tuple[int, ...], ...]:
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < workers * threads:
        return ()
    return tuple(tuple(cores[i * threads : (i + 1) * threads]) for i in range(workers))


def check_address(address: str | None) -> None:
    """Refuse an address that no run can use, before anything is written.

    Raises:
        WorkerError: It is that of Ray's client.
    """
    if address is not None and address.startswith("ray://"):
        hint = "run on a node of the cluster, with --ray auto or HOST:PORT; or send the command there: ray job submit"
        raise WorkerError("Ray's client (ray://) knows no nodes, and its driver may not see the target", hint=hint)


def _check_reachable(address: str) -> None:
    """Ray itself goes on trying for minutes before it says that nobody answers."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return  # "auto" and the like are Ray's to resolve
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        hint = "give --ray the HOST:PORT that `ray start --head` printed, or leave it out"
        raise WorkerError(f"cannot join Ray at {address}: {error}", hint=hint) from error


def first_line(error: BaseException) -> str:
    """What a person needs of a foreign error's many lines; of one that Ray brought from afar what was raised there."""
    cause = getattr(error, "cause", None)  # Ray's own text begins with its process, in colour
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {first_line(cause)}"
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
