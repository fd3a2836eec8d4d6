"""A part of the check: it runs without the others, and what it lacks is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.engines.driver import why_no_driver
from augengine.errors import BackendUnavailable
from benchmarks.speed.material import Material, Size


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

    def material(self, side: int) -> Material:
        """What the contenders of one side work on."""
        folder = self.folder / str(side)
        folder.mkdir(exist_ok=True)
        size = Size(side=side, width=self.width, blocks=self.blocks, images=self.images)
        return Material(size=size, folder=folder, threads=self.threads)


Part = Callable[[Setting], dict[str, Any]]


def attempt(part: Part, setting: Setting) -> dict[str, Any]:
    """A part's ``result``; or what is ``missing``; or how it ``failed``."""
    try:
        return {"result": part(setting)}
    except (BackendUnavailable, ImportError) as error:
        return {"missing": str(error)}
    except Exception as error:  # noqa: BLE001 - one part's end is not the others'
        return {"failed": f"{type(error).__name__}: {error}"}


def require_gpu() -> None:
    """Raise `BackendUnavailable` where there is no GPU."""
    if reason := why_no_driver():
        raise BackendUnavailable(reason, hint="run this on a machine with an NVIDIA GPU")
