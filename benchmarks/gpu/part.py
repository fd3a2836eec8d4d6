"""A part of the check: it gives row after row, what it lacks is written down, and a CPU cannot pass for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from augengine.engines.backends import backends as all_backends
from augengine.engines.backends import choose_backend, pick_backend
from augengine.engines.base import Backend
from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable
from augengine.spec import BackendName, Precision
from benchmarks.speed.networks import Networks

if TYPE_CHECKING:
    from benchmarks.speed.material import Material

Device = Literal["cuda", "cpu"]

Row = Any
"""What was measured, as plain json values."""

Place = tuple[str, ...]
"""Where a row stands in a part's result: the keys that lead to it."""

Rows = Iterator[tuple[Place, Row]]

OUT_OF_TIME = "the seconds asked for were over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        sides: Sides of the images, in pixels; the first is measured first.
        batches: Images per call of an engine.
        width, blocks: Channels and residual blocks of the generators, whose weights are random.
        images: Source images per shard of a job, and per call of a chain.
        variants: K.
        rounds: Rounds that count; one more is run before them.
        threads: CPU threads for decoding and encoding.
        folder: Where files go.
        device: Where everything has to run; ``cpu`` only to rehearse the parts.
        backend: What runs the engines of stages, chains and jobs, and the only one of `engines` unless it is auto.
        precision: Their precision, and the only one of `engines`; None for the backend's fastest, and for all.
        calls: Calls between two readings of the clock.
        job_seconds: How long each row of `job` is measured at least.
        product_side: Side of the matrices whose product is the ceiling.
        copied: Bytes of a copy.
    """

    sides: tuple[int, ...]
    batches: tuple[int, ...]
    width: int
    blocks: int
    images: int
    variants: int
    rounds: int
    threads: int
    folder: Path
    device: Device = "cuda"
    backend: BackendName = "auto"
    precision: Precision | None = None
    calls: int = 10
    job_seconds: float = 5.0
    product_side: int = 8192
    copied: int = 1 << 30

    def networks(self) -> Networks:
        """The generators, the same for every part."""
        return _networks(self.width, self.blocks, self.folder / "networks")

    def material(self, side: int) -> Material:
        """What the contenders of one side work on, the same for every part."""
        return _material(self.networks(), side, self.images, self.folder / str(side), self.threads)

    def precision_of(self, backend: Backend) -> Precision:
        """The precision that is measured alone.

        Raises:
            BackendUnavailable: The backend does not compute in the one asked for.
        """
        if self.precision is not None and self.precision not in backend.precisions():
            raise BackendUnavailable(f"{backend.name} does not compute in {self.precision} here")
        return self.precision or backend.precisions()[0]


@cache
def _networks(width: int, blocks: int, folder: Path) -> Networks:
    return Networks(width=width, blocks=blocks, folder=folder)


@cache
def _material(networks: Networks, side: int, images: int, folder: Path, threads: int) -> Material:
    from benchmarks.speed.material import Material, Size  # its tissue needs packages that engines do without

    folder.mkdir(exist_ok=True)
    size = Size(side=side, width=networks.width, blocks=networks.blocks, images=images)
    return Material(size=size, folder=folder, threads=threads, networks=networks)


Part = Callable[[Setting], Rows]


def require_gpu(setting: Setting) -> None:
    """Raise `BackendUnavailable` where there is no GPU."""
    if setting.device == "cuda" and (reason := why_no_driver()):
        raise BackendUnavailable(reason, hint="run this on a machine with an NVIDIA GPU")


def require_torch(setting: Setting) -> None:
    """Raise `BackendUnavailable` where torch does not use the GPU: it makes the arrays, the ceilings and the loops."""
    require_gpu(setting)
    if setting.device == "cuda" and not torch.cuda.is_available():
        what = f"torch {torch.__version__} does not use the GPU that the driver shows"
        raise BackendUnavailable(what, hint="install torch from PyPI, whose build for Linux has CUDA")


def require_backend(setting: Setting) -> Backend:
    """The backend that the setting names.

    Raises:
        BackendUnavailable: It would run on another device than the one to be measured.
    """
    require_torch(setting)
    backend = pick_backend(setting.backend)
    if not runs_on(backend, setting):
        _, reasons = choose_backend(all_backends())
        what = f"the engines would run as {backend.device_class()}, not on {setting.device}: {'; '.join(reasons)}"
        raise BackendUnavailable(what, hint="install what is missing; a result of another device is none")
    return backend


def runs_on(backend: Backend, setting: Setting) -> bool:
    """Whether a backend's engines run on the device to be measured."""
    return backend.device_class().startswith(f"{setting.device}-")


def engine_facts(backend: Backend, precision: Precision, side: int, batch: int) -> dict[str, Any]:
    """What every row says of the engines behind it."""
    return {
        "backend": backend.name,
        "version": backend.version(),
        "device_class": backend.device_class(),
        "precision": precision,
        "side": side,
        "batch": batch,
    }


def attempt(
    part: Part,
    setting: Setting,
    found: dict[str, Any] | None = None,
    *,
    on_row: Callable[[], object] = lambda: None,
    goes_on: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Run a part row by row; nothing that happens in it ends the others.

    Args:
        part: What to run.
        setting: What is measured.
        found: Filled: ``result``, and why it ended before its last row: ``missing``, ``failed`` or ``stopped``.
        on_row: Called after each row.
        goes_on: Asked before each row whether there is time for it.

    Returns:
        ``found``.
    """
    found = {} if found is None else found
    try:
        rows = part(setting)
        while goes_on():
            place, row = next(rows)
            insert(found.setdefault("result", {}), place, row)
            on_row()
        found["stopped"] = OUT_OF_TIME
    except StopIteration:
        pass
    except (BackendUnavailable, ImportError) as error:
        found["missing"] = str(error)
    except Exception as error:  # noqa: BLE001 - one part's end is not the others'
        found["failed"] = f"{type(error).__name__}: {error}"
    return found


def insert(result: dict[str, Any], place: Place, row: Row) -> None:
    """Put a row at its place."""
    for key in place[:-1]:
        result = result.setdefault(key, {})
    result[place[-1]] = row


def find_all(key: str, found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Where in a result something ``failed``, is ``missing`` or was ``stopped``, however deep: place and reason."""
    if not isinstance(found, dict):
        return
    if key in found:
        yield "/".join(path), str(found[key])
    for name, inside in found.items():
        yield from find_all(key, inside, (*path, str(name)))


def state_of(found: dict[str, Any]) -> str:
    """What became of a part, in a line; of one that is done also what inside of it failed or is missing."""
    own = [f"{state}: {reason}" for state, reason in found.items() if state != "result"]
    states = own or ["done"]
    for state in ("failed", "missing"):
        states += [f"{state}: {place}: {reason}" for place, reason in find_all(state, found.get("result"))]
    return "; ".join(states).replace("\n", " ")
