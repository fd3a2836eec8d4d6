"""The training of a segmenter: steps, validation, checkpoints; it stops and goes on as if it had never stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from augengine.json_values import to_json
from augengine_train.cyclegan.step import MixedPrecision, choose_memory_format
from augengine_train.loop.checkpoints import check_same, load_state
from augengine_train.loop.logs import Bar, Logs
from augengine_train.loop.loop import Batch, Loop
from augengine_train.loop.rhythm import Rhythm
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.items import TrainingItems
from augengine_train.unet.measures import Measures
from augengine_train.unet.network import Unet
from augengine_train.unet.predict import View, evaluate
from augengine_train.unet.run import WEIGHTS, SegmenterCard, SegmenterRun, load_weights
from augengine_train.unet.trained_on import TrainedOn


@dataclass(kw_only=True)
class SegmenterTraining:
    """One training in one folder.

    Attributes:
        run: What decides its numbers.
        items: Its samples, ``run.steps * batch`` of them.
        validation: Tiles that choose the best model; without any the last one is kept.
        out: Its folder: checkpoints/, losses.csv, validation.jsonl, tensorboard/.
        device: Where it trains.
        rhythm: How often what happens.
        workers: Processes that prepare samples; 0 is this one, the only way with engines.
        quiet: Show no progress.
    """

    run: SegmenterRun
    items: TrainingItems
    validation: Tiles
    out: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rhythm: Rhythm = field(default_factory=Rhythm)
    workers: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        network = Unet(self.run.recipe, seed=self.run.seed).to(self.device)
        self.network = network.to(memory_format=choose_memory_format(self.device))  # type: ignore[call-overload]
        self._adam = torch.optim.Adam(self.network.parameters(), self.run.recipe.lr, fused=True)
        precision = MixedPrecision(dtype=getattr(torch, self.run.precision))
        self._autocast = torch.autocast(self.device.type, precision.dtype, enabled=precision.dtype != torch.float32)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=precision.dtype == torch.float16)
        self._loop = Loop(
            out=self.out,
            steps=self.run.steps,
            images=self.run.recipe.batch,
            rhythm=self.rhythm,
            quiet=self.quiet,
        )
        self._losses: list[Tensor] = []
        self._best = -math.inf
        self._last: Measures | None = None

    def resume(self) -> int:
        """Go on from the last checkpoint in ``out``; returns the steps done, 0 if there is none.

        Raises:
            CheckpointError: It cannot be read.
            TrainingError: It is of a training with other settings.
        """
        folder = self._loop.find_last(lambda best: self._check_same(SegmenterCard.read(best)))
        if folder is None:
            return 0
        card = SegmenterCard.read(folder)
        self._check_same(card)
        load_weights(self.network, folder)
        state = load_state(folder)
        self._adam.load_state_dict(state["adam"])
        self._scaler.load_state_dict(state["scaler"])
        self._best = state["best"]
        self._last = None if card.validation is None else Measures.from_json(card.validation)
        self._loop.step = card.step
        return card.step

    def _check_same(self, card: SegmenterCard) -> None:
        check_same(to_json(card.run), to_json(self.run), hint="or choose another --out")

    def train(self) -> None:
        """Run to the end.

        Raises:
            TrainingError: The loss is no number any more; the last good checkpoint is kept.
            TargetError: The folder cannot be written, or holds another training.
        """
        self.network.train()
        self._loop.run(self, self._batches())

    def _batches(self) -> Iterator[Batch]:
        batch = self.run.recipe.batch
        batches = [list(range(step * batch, (step + 1) * batch)) for step in range(self._loop.step, self.run.steps)]
        loader: DataLoader[Batch] = DataLoader(
            self.items, batch_sampler=batches, num_workers=self.workers, pin_memory=self.device.type == "cuda"
        )
        return iter(loader)

    def descend(self, batch: Batch) -> None:
        """Make one step of Adam."""
        image, mask = (batch[name].to(self.device, non_blocking=True) for name in ("image", "mask"))
        with self._autocast:
            scores = self.network(image)
        loss = nn.functional.cross_entropy(scores.float(), mask)
        self._adam.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._adam)
        self._scaler.update()
        self._losses.append(loss.detach())

    def take_losses(self) -> Mapping[str, float]:
        """The mean cross entropy since it was last taken."""
        mean = float(torch.stack(self._losses).mean())
        if not math.isfinite(mean):
            advice = "with a lower lr, or in float32 (--recipe, --precision)"
            raise self._loop.diverged(f"the loss is {mean}", advice)
        self._losses = []
        return {"cross_entropy": mean}

    def validate(self, bar: Bar, logs: Logs | None) -> None:
        """Measure on the validation's tiles, and keep the best model so far."""
        if not self.validation or logs is None:
            return
        step = self._loop.step
        self.network.eval()
        self._last = evaluate(View(self.network, self.run.recipe, self.items.looks), self.validation)
        self.network.train()
        f1 = self._last.pixels.f1
        logs.validation(step, _flat(self._last), None)
        bar.note(f"step {step}: validation F1 {f1:.4f}")
        if f1 > self._best:
            self._best = f1
            self._loop.checkpoints.write("best", step, to_json(self._card()), self._weights())

    def save(self) -> None:
        """Write the checkpoint to go on from."""
        state = {"adam": self._adam.state_dict(), "scaler": self._scaler.state_dict(), "best": self._best}
        self._loop.checkpoints.write("step", self._loop.step, to_json(self._card()), self._weights(), state)

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        return {WEIGHTS: self.network.state_dict()}

    def _card(self) -> SegmenterCard:
        last = self._last
        return SegmenterCard(
            run=self.run,
            step=self._loop.step,
            f1=None if last is None else last.pixels.f1,
            validation=None if last is None else last.to_json(),
            trained_on=TrainedOn.of(self.items.tiles),
            chosen_by=TrainedOn.of(self.validation),
        )


def _flat(measures: Measures) -> dict[str, float]:
    return {
        f"{name} by {kind}": value
        for kind, counts in (("pixel", measures.pixels), ("object", measures.objects))
        for name, value in (("F1", counts.f1), ("precision", counts.precision), ("recall", counts.recall))
    }
