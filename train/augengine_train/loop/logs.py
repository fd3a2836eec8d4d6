"""The numbers of a training as it goes: CSV for people and programs, TensorBoard to look at, a bar with time left."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from augengine.errors import TargetError
from augengine.pictures.files import write_png
from augengine.storage.atomic import write_whole

LOSSES = "losses.csv"
VALIDATION = "validation.jsonl"
GRIDS = "grids"
_LINE_SECONDS = 15.0


class Logs:
    """Writes into a run's folder; after a resume the rows beyond the checkpoint are dropped first, or all of them.

    ``losses.csv`` holds means since the row before and nothing that depends on time, so that a resumed run and an
    uninterrupted one write the same bytes.

    Args:
        folder: The run's; made if missing.
        step: Steps done before.

    Raises:
        TargetError: It cannot be written.
    """

    def __init__(self, folder: Path, *, step: int = 0) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._drop_rows(step)
            self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._board.close()
        except OSError as failed:
            # What stopped the training says more than what it left unwritten.
            if error is None:
                raise _unwritable(self._folder, failed) from failed

    def losses(self, step: int, values: Mapping[str, float], *, images_per_second: float) -> None:
        """A row of ``losses.csv``; ``step`` counts the steps done."""
        file = self._folder / LOSSES
        try:
            fresh = not file.exists() or not file.stat().st_size
            with file.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                if fresh:
                    writer.writerow(["step", *values])
                writer.writerow([step, *(repr(value) for value in values.values())])
            for name, value in {**values, "images per second": images_per_second}.items():
                self._board.add_scalar(f"training/{name}", value, step)
        except OSError as error:
            raise _unwritable(file, error) from error

    def validation(self, step: int, values: Mapping[str, Any], grid_hwc: NDArray[np.uint8] | None) -> None:
        """A line of ``validation.jsonl``, the grid as ``grids/step-{step}.png``, both to TensorBoard too."""
        file = self._folder / VALIDATION
        try:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, **values}) + "\n")
            for name, value in flatten(values).items():
                self._board.add_scalar(f"validation/{name}", value, step)
            if grid_hwc is not None:
                write_png(self._folder / GRIDS / f"step-{step:08d}.png", grid_hwc)
                self._board.add_image("cycles", grid_hwc, step, dataformats="HWC")
        except OSError as error:
            raise _unwritable(file, error) from error

    def _drop_rows(self, step: int) -> None:
        for name, step_of in ((LOSSES, _csv_step), (VALIDATION, _json_step)):
            file = self._folder / name
            if file.exists():
                lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if step else []
                kept = [line for line in lines if line.endswith("\n") and step_of(line) <= step]
                write_whole(file, "".join(kept))


def read_validations(folder: Path) -> list[dict[str, Any]]:
    """What `Logs.validation` wrote into a run's folder, each with its ``step``; none if it never did.

    Raises:
        TargetError: It cannot be read.
    """
    file = folder / VALIDATION
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise TargetError(f"cannot read {file}: {error}", hint="was it edited by hand?") from error


def flatten(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a validation on one level: ``marker_dice``, ``cycle_stain/l1``, ``response/0.05`` ...

    Lists are told apart by the list ``sigmas`` beside them, or by their index.
    """
    leaves = _leaves("", values, values.get("sigmas", ()))
    flat = {name: value for name, value in leaves if not name.startswith("sigmas/")}
    return {
        name: float(value) for name, value in flat.items() if isinstance(value, int | float) and math.isfinite(value)
    }


def _leaves(path: str, value: Any, sigmas: Sequence[float]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(f"{path}/{name}" if path else str(name), part, sigmas)
    elif isinstance(value, list | tuple):
        for name, part in zip(sigmas if len(sigmas) == len(value) else range(len(value)), value, strict=True):
            yield from _leaves(f"{path}/{name:g}", part, sigmas)
    else:
        yield path, value


def _csv_step(line: str) -> int:
    first = line.partition(",")[0]
    return int(first) if first.isdigit() else 0


def _json_step(line: str) -> int:
    return int(json.loads(line)["step"])


def _unwritable(place: Path, error: OSError) -> TargetError:
    return TargetError(
        f"cannot write {place}: {error.strerror}", hint="free some space or permit writing, then go on with --resume"
    )


class Bar:
    """Progress on standard error: a bar on a terminal, plain lines elsewhere.

    Args:
        steps: Steps of the whole training.
        done: Steps done before.
        quiet: Say nothing.
    """

    def __init__(self, steps: int, done: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._steps, self._first = steps, done
        self._began = self._said = time.monotonic()
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            self._task = self._bar.add_task("", total=self._steps, completed=self._first, rate="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def advance(self, step: int, images: int) -> float:
        """``step`` steps are done, of ``images`` images of each stain; returns images a second since the start."""
        now = time.monotonic()
        steps_per_second = (step - self._first) / max(now - self._began, 1e-3)
        rate = steps_per_second * images
        if self._task is not None:
            self._bar.update(self._task, completed=step, rate=f"{rate:.2f} images/s")
        elif now - self._said > _LINE_SECONDS:
            self._said = now
            minutes = (self._steps - step) / steps_per_second / 60
            self.note(f"{step}/{self._steps} steps, {rate:.2f} images/s, {minutes:.0f} min left")
        return rate
