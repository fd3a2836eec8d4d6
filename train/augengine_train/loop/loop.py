"""The loop that every training runs: steps, rows of losses, validations and checkpoints, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor

from augengine.errors import TrainingError
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.loop.logs import Bar, Logs
from augengine_train.loop.rhythm import Rhythm, is_due

Batch = dict[str, Tensor]


class Training(Protocol):
    """What a loop asks of a training. The loop counts the steps; `Loop.step` has those that are done."""

    def descend(self, batch: Batch) -> None:
        """Make one step of the optimisers."""

    def take_losses(self) -> Mapping[str, float]:
        """The row of losses: means since they were last taken.

        Raises:
            TrainingError: One of them, or a weight, is no number any more.
        """

    def validate(self, bar: Bar, logs: Logs | None) -> None:
        """Measure on what was held out, and keep the best so far; without anything held out, do nothing."""

    def save(self) -> None:
        """Write the checkpoint to go on from."""


def _alone() -> None:
    """Waits for nobody: the training has one process."""


@dataclass(kw_only=True)
class Loop:
    """The steps of one training in one folder.

    Attributes:
        out: Its folder: checkpoints/, losses.csv, validation.jsonl, tensorboard/.
        steps: How long it trains.
        images: Images of each stain in a step, for the rate that is shown.
        rhythm: How often what happens.
        quiet: Show no progress.
        writes: Whether this process writes into the folder; of several processes only the first does.
        wait: Waits until every process of the training has come here.
        step: Steps done so far.
    """

    out: Path
    steps: int
    images: int
    rhythm: Rhythm = field(default_factory=Rhythm)
    quiet: bool = False
    writes: bool = True
    wait: Callable[[], None] = _alone
    step: int = 0

    @property
    def checkpoints(self) -> Checkpoints:
        """The training's checkpoints."""
        return Checkpoints(self.out / "checkpoints")

    def find_last(self, check: Callable[[Path], object]) -> Path | None:
        """The checkpoint to go on from; None for a run that was killed before its first.

        Such a run begins anew and finds its best again, so the best one is removed.

        Args:
            check: Refuses a checkpoint of another training.
        """
        if folder := self.checkpoints.find("step"):
            return folder
        if best := self.checkpoints.find("best"):
            check(best)
        self.wait()
        if self.writes:
            self.checkpoints.remove("best")
        self.wait()
        return None

    def run(self, training: Training, batches: Iterable[Batch]) -> None:
        """Run to the end.

        Args:
            training: What is trained.
            batches: One batch for each step that is left.

        Raises:
            TrainingError: A loss is no number any more; the last good checkpoint is kept.
            TargetError: The folder cannot be written, or holds another training.
        """
        if self.step == 0:
            self.checkpoints.claim()
        with Bar(self.steps, self.step, quiet=self.quiet or not self.writes) as bar, self._logs() as logs:
            for batch in batches:
                training.descend(batch)
                self.step += 1
                self._report(training, bar, logs)

    def _report(self, training: Training, bar: Bar, logs: Logs | None) -> None:
        """Whatever is due after this step. A checkpoint has a row of losses, so that a resumed run writes the same."""
        saves = self._is_due(self.rhythm.checkpoint)
        if saves or self._is_due(self.rhythm.log):
            losses = training.take_losses()
            rate = bar.advance(self.step, self.images)
            if logs is not None:
                logs.losses(self.step, losses, images_per_second=rate)
        if self._is_due(self.rhythm.validate):
            training.validate(bar, logs)
        if saves:
            training.save()

    def _is_due(self, every: int) -> bool:
        return is_due(self.step, every, self.steps)

    @contextmanager
    def _logs(self) -> Iterator[Logs | None]:
        if not self.writes:
            yield None
            return
        with Logs(self.out, step=self.step) as logs:
            yield logs

    def diverged(self, what: str, advice: str) -> TrainingError:
        """The error of a training whose numbers are none any more.

        Args:
            what: Which number it is, and its value.
            advice: What to try, the next step after looking at the images.
        """
        kept = self.checkpoints.find("step")
        said = f"the last good checkpoint is {kept}" if kept else "no checkpoint was due yet"
        return TrainingError(
            f"{what} at step {self.step}: the training diverged and was stopped",
            hint=f"{said}; look for odd images, or train anew {advice}",
        )
