"""Images per second of a training step: ours against a plain loop over the same networks, and bfloat16 against float32.

Run: ``python -m benchmarks.train_step``; ``--width --blocks --crop --batch --steps --rounds --out`` choose what. The
three take turns within one run, a few steps each, so that what else the machine does meets all of them alike; the
medians of the rounds' own ratios count. It writes ``benchmarks/results/train_step.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from augengine.json_values import to_json
from augengine_train.cyclegan.recipe import TrainingRecipe, zhu2017
from augengine_train.cyclegan.schedule import Schedule
from augengine_train.cyclegan.step import Batch, CycleGan, MixedPrecision, PrecisionOption
from benchmarks.machine import machine_facts, versions
from benchmarks.plain_cyclegan import PlainCycleGan
from benchmarks.rounds import Contender, Seconds, interleave, ratio, row

RESULT = Path(__file__).parent / "results" / "train_step.json"

PLAIN, OURS, FAST = "plain loop, float32", "ours, float32", "ours, bfloat16"

Steps = dict[str, Callable[[], None]]


def make_steps(recipe: TrainingRecipe, accelerator: Accelerator) -> Steps:
    """One step of each contender, on images and networks of its own, all equal."""
    ours = {name: _make(recipe, accelerator, name) for name in ("float32", "bfloat16")}
    networks = copy.deepcopy((ours["float32"].generators, ours["float32"].discriminators))
    plain = PlainCycleGan(recipe, *networks)
    random = torch.Generator().manual_seed(0)
    shape = (recipe.batch, 3, recipe.crop, recipe.crop)
    batch = {name: torch.rand(shape, generator=random) * 2 - 1 for name in ("reference", "stain")}
    placed = {name: images.to(accelerator.device) for name, images in batch.items()}
    return {
        PLAIN: lambda: plain.step(**placed),
        OURS: lambda: _step(ours["float32"], recipe, batch),
        FAST: lambda: _step(ours["bfloat16"], recipe, batch),
    }


def _make(recipe: TrainingRecipe, accelerator: Accelerator, precision: PrecisionOption) -> CycleGan:
    chosen = MixedPrecision.choose(precision, accelerator.device)
    return CycleGan(recipe, seed=0, accelerator=accelerator, precision=chosen)


def _step(gan: CycleGan, recipe: TrainingRecipe, batch: Batch) -> None:
    gan.step(batch, lr=recipe.lr, lambdas=Schedule(steps=1, recipe=recipe).lambdas(0))


def contenders(steps: Steps, *, count: int, batch: int, device: torch.device) -> list[Contender]:
    """``count`` steps a call, complete when it returns."""

    def run(step: Callable[[], None]) -> None:
        for _ in range(count):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return [Contender(name=name, run=partial(run, step), images=count * batch) for name, step in steps.items()]


def summarise(
    taking_turns: Sequence[Contender], seconds: Seconds, recipe: TrainingRecipe, device: torch.device
) -> dict[str, Any]:
    """What is written: rates with their quartiles, and the ratios that are promised."""
    plain, ours, fast = (seconds[name] for name in (PLAIN, OURS, FAST))
    return {
        "command": "python -m benchmarks.train_step " + " ".join(sys.argv[1:]),
        "what": "images of each stain a second through one CycleGAN step; medians and quartiles of interleaved rounds",
        "recipe": to_json(recipe),
        "rows": {each.name: row(each, seconds[each.name], {}) for each in taking_turns},
        "ours_over_plain": ratio(ours, plain),
        "bfloat16_over_float32": ratio(fast, ours),
        "bfloat16_over_plain": ratio(fast, plain),
        "machine": machine_facts()
        | {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "bfloat16_hardware": MixedPrecision.choose("auto", device).name == "bfloat16",
            "threads": torch.get_num_threads(),
        },
        "versions": versions(("augengine", "torch", "accelerate")),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_step")
    for name, default in (("width", 32), ("blocks", 9), ("crop", 128), ("batch", 1), ("steps", 3), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    shape = {name: getattr(chosen, name) for name in ("width", "blocks", "crop", "batch")}
    recipe = zhu2017().with_changes(**shape)
    accelerator = Accelerator(mixed_precision="no")
    steps = make_steps(recipe, accelerator)
    taking_turns = contenders(steps, count=chosen.steps, batch=recipe.batch, device=accelerator.device)
    seconds = interleave(taking_turns, chosen.rounds)
    result = summarise(taking_turns, seconds, recipe, accelerator.device)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: each["images_per_second"] for name, each in result["rows"].items()}))


if __name__ == "__main__":
    main()
