"""A part of the check: it runs without the others, what it lacks is written down, and a CPU cannot pass for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch

from augengine.engines.backends import backends as all_backends
from augengine.engines.backends import choose_backend, pick_backend
from augengine.engines.base import Backend
from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable
from augengine.spec import Precision
from benchmarks.speed.material import Material, Size

Device = Literal["cuda", "cpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        sides: Of the images, px.
        batches: Images a call of an engine.
        width, blocks: Of the generators, whose weights are random.
        images: Source images of a chain's and a job's call.
        variants: K.
        rounds: That count; one more is run before them.
        threads: CPU threads for decoding and encoding.
        folder: For files.
        device: Where everything has to run; ``cpu`` only to rehearse the parts.
        calls: Calls between two readings of the clock.
        product_side: Of the matrices whose product is the ceiling.
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
    calls: int = 10
    product_side: int = 8192
    copied: int = 1 << 30

    def material(self, side: int) -> Material:
        """What the contenders of one side work on, the same for every part."""
        size = Size(side=side, width=self.width, blocks=self.blocks, images=self.images)
        return _material(size, self.folder / str(side), self.threads)


@cache
def _material(size: Size, folder: Path, threads: int) -> Material:
    folder.mkdir(exist_ok=True)
    return Material(size=size, folder=folder, threads=threads)


Part = Callable[[Setting], dict[str, Any]]


def attempt(part: Part, setting: Setting) -> dict[str, Any]:
    """A part's ``result``; or what is ``missing``; or how it ``failed``."""
    try:
        return {"result": part(setting)}
    except (BackendUnavailable, ImportError) as error:
        return {"missing": str(error)}
    except Exception as error:  # noqa: BLE001 - one part's end is not the others'
        return {"failed": f"{type(error).__name__}: {error}"}


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
    """The backend that ``auto`` takes.

    Raises:
        BackendUnavailable: It would run on another device than the one to be measured.
    """
    require_torch(setting)
    backend = pick_backend()
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


def find_all(key: str, found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Where in a result something ``failed``, or is ``missing``, however deep: the place, and the reason."""
    if not isinstance(found, dict):
        return
    if key in found:
        yield "/".join(path), str(found[key])
    for name, inside in found.items():
        yield from find_all(key, inside, (*path, str(name)))


def state_of(found: dict[str, Any]) -> str:
    """What became of a part, in a line; of one that is done also what inside of it failed or is missing."""
    if "result" not in found:
        states = [f"{state}: {reason}" for state, reason in found.items()]
    else:
        states = ["done"]
        for state in ("failed", "missing"):
            states += [f"{state}: {place}: {reason}" for place, reason in find_all(state, found["result"])]
    return "; ".join(states).replace("\n", " ")
