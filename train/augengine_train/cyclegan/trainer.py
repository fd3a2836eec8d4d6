"""The training of a pair on one or several GPUs; it stops and goes on as if it had never stopped."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from augengine.errors import SpecError
from augengine_train.cyclegan.checkpoint import (
    TrainingCard,
    TrainingRun,
    check_resumable,
    load_generators,
    save_generators,
)
from augengine_train.cyclegan.losses import Losses
from augengine_train.cyclegan.schedule import Schedule
from augengine_train.cyclegan.step import CycleGan, MixedPrecision
from augengine_train.loop.checkpoints import load_state
from augengine_train.loop.logs import Bar, Logs
from augengine_train.loop.loop import Batch, Loop
from augengine_train.loop.rhythm import Rhythm


class Crops(Protocol):
    """A map-style dataset whose item i is a pure function of i: ``reference`` and ``stain``, float32 (3, H, W)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict[str, Tensor]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a validation found.

    Attributes:
        score: Lower is better; decides which checkpoint is the best. NaN never is.
        numbers: All of it, as plain json values.
        grid_hwc: Both cycles as a picture, uint8 (H, W, 3).
        criterion: What the score is made of: scores of two criteria do not compare.
    """

    score: float
    numbers: Mapping[str, Any]
    grid_hwc: NDArray[np.uint8] | None = None
    criterion: str = ""


Judge = Callable[[nn.Module, nn.Module, int], Judgement]
"""Measures (to_reference, from_reference, step) on what was held out."""


@dataclass(kw_only=True)
class Trainer:
    """One training in one folder.

    Attributes:
        run: What decides its numbers.
        crops: ``steps * batch * processes`` items.
        out: Its folder: checkpoints/, losses.csv, validation.jsonl, tensorboard/.
        accelerator: Places and distributes; made with ``mixed_precision="no"``, since the run has its own.
        judge: Validates; None never does.
        rhythm: How often what happens.
        workers: Processes that prepare crops; 0 is this one.
        quiet: Show no progress.
    """

    run: TrainingRun
    crops: Crops
    out: Path
    accelerator: Accelerator
    judge: Judge | None = None
    rhythm: Rhythm = field(default_factory=Rhythm)
    workers: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        needed = self.run.steps * self.run.recipe.batch * self.accelerator.num_processes
        if len(self.crops) != needed:
            raise SpecError(f"{self.run.steps} steps take {needed} crops, the data set has {len(self.crops)}")
        precision = MixedPrecision(dtype=getattr(torch, self.run.precision))
        _be_deterministic(self.run.seed)
        self.gan = CycleGan(self.run.recipe, seed=self.run.seed, accelerator=self.accelerator, precision=precision)
        self._schedule = Schedule(steps=self.run.steps, recipe=self.run.recipe)
        self._loop = Loop(
            out=self.out,
            steps=self.run.steps,
            images=self.run.recipe.batch * self.accelerator.num_processes,
            rhythm=self.rhythm,
            quiet=self.quiet,
            writes=self.accelerator.is_main_process,
            wait=self.accelerator.wait_for_everyone,
        )
        self._means, self._lr = _Means(self.accelerator), 0.0
        self._best: float | None = None
        self._criterion = ""
        self._last_validation: Judgement | None = None

    def warm_start(self, weights: Path) -> None:
        """Begin with the generators of another training; see `load_generators`.

        Raises:
            CheckpointError: They do not fit.
        """
        load_generators(self.gan.generators, weights)

    def resume(self) -> int:
        """Go on from the last checkpoint in ``out``; returns the steps done, 0 if there is none.

        Raises:
            CheckpointError: It cannot be read.
            TrainingError: It is of a training with other settings.
        """
        folder = self._loop.find_last(lambda best: check_resumable(TrainingCard.read(best), self.run))
        if folder is None:
            return 0
        card = TrainingCard.read(folder)
        check_resumable(card, self.run)
        load_generators(self.gan.generators, folder)
        state = load_state(folder)
        self.gan.load_state_dict(state)
        self.gan.load_pool_state(state["pools"][self.accelerator.process_index])
        self._best, self._criterion = state["best"], state.get("criterion", "")
        if card.score is not None and card.validation is not None:
            self._last_validation = Judgement(score=card.score, numbers=card.validation)
        self._loop.step = card.step
        return card.step

    def train(self) -> None:
        """Run to the end.

        Raises:
            TrainingError: A loss or a weight is no number any more; the last good checkpoint is kept.
            TargetError: The folder cannot be written, or holds another training.
        """
        self._loop.run(self, self._batches())

    def descend(self, batch: Batch) -> None:
        """Make one step of both generators and both discriminators."""
        self._lr, lambdas = self._schedule.lr(self._loop.step), self._schedule.lambdas(self._loop.step)
        self._means.add(self.gan.step(batch, lr=self._lr, lambdas=lambdas))

    def take_losses(self) -> Mapping[str, float]:
        """The learning rate, and the means of the losses over all processes since they were last taken."""
        losses = self._means.take()
        self._check_finite(losses)
        return {"lr": self._lr, **losses}

    def _batches(self) -> Iterator[Batch]:
        """This process's share of each step's items, from the next step on."""
        shares = _Shares(self._loop.step, self.run.steps, self.run.recipe.batch, self.accelerator)
        loader: DataLoader[Batch] = DataLoader(
            self.crops,  # type: ignore[arg-type]  # torch wants its own base class, which demands no more
            batch_sampler=shares,
            num_workers=self.workers,
            pin_memory=self.gan.device.type == "cuda",
            persistent_workers=False,
        )
        return iter(loader)

    def _check_finite(self, losses: Mapping[str, float]) -> None:
        bad = [name for name, value in losses.items() if not np.isfinite(value)]
        if not bad and self.gan.is_finite():
            return
        what = f"the loss {bad[0]} is {losses[bad[0]]}" if bad else "a weight is no finite number"
        advice = "from there with a lower lr, or in float32 (--init-from, --recipe, --precision)"
        raise self._loop.diverged(what, advice)

    def validate(self, bar: Bar, logs: Logs | None) -> None:
        """Judge the generators in the first process, while the others wait."""
        if self.judge is None:
            return
        self._check_finite({})
        if logs is not None:
            generators, step = self.gan.generators, self._loop.step
            with torch.inference_mode():
                found = self.judge(generators.to_reference, generators.from_reference, step)
            self._last_validation = found
            logs.validation(step, found.numbers, found.grid_hwc)
            bar.note(f"step {step}: validation score {found.score:.4f}, lower is better")
            if self._is_better(found):
                self._best, self._criterion = found.score, found.criterion
                save_generators(self._loop.checkpoints, "best", generators, self._card())
        self.accelerator.wait_for_everyone()

    def _is_better(self, found: Judgement) -> bool:
        # One that was chosen by another criterion, before a resume, is chosen anew.
        comparable = self._best if found.criterion == self._criterion else None
        return bool(np.isfinite(found.score)) and (comparable is None or found.score < comparable)

    def save(self) -> None:
        """Write the checkpoint to go on from, with every process's pool of images."""
        pools = gather_object([self.gan.pool_state()])
        if self.accelerator.is_main_process:
            state = {**self.gan.state_dict(), "pools": pools, "best": self._best}
            state["criterion"] = self._criterion
            save_generators(self._loop.checkpoints, "step", self.gan.generators, self._card(), state)
        self.accelerator.wait_for_everyone()

    def _card(self) -> TrainingCard:
        last = self._last_validation
        return TrainingCard(
            run=self.run,
            step=self._loop.step,
            score=None if last is None else last.score,
            validation=None if last is None else last.numbers,
        )


class _Shares(Sampler[list[int]]):
    """The items of each step from ``first`` on that are this process's."""

    def __init__(self, first: int, steps: int, batch: int, accelerator: Accelerator) -> None:
        self._steps, self._batch = range(first, steps), batch
        self._rank, self._processes = accelerator.process_index, accelerator.num_processes

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            first = (step * self._processes + self._rank) * self._batch
            yield list(range(first, first + self._batch))


class _Means:
    """Means of the losses since they were last taken, over all processes; they stay on the device till then."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._sums: Losses = {}
        self._steps = 0

    def add(self, losses: Losses) -> None:
        self._sums = {name: self._sums[name] + loss if self._sums else loss for name, loss in losses.items()}
        self._steps += 1

    def take(self) -> dict[str, float]:
        stacked = torch.stack(list(self._sums.values())) / self._steps
        means = self._accelerator.reduce(stacked, reduction="mean").tolist()
        names = list(self._sums)
        self._sums, self._steps = {}, 0
        return dict(zip(names, means, strict=True))


def _be_deterministic(seed: int) -> None:
    """Nothing in a step draws from these, but a library might; cuDNN takes kernels that repeat themselves.

    On a GPU the backward pass of reflection padding still adds in no fixed order, so two runs agree to rounding.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
