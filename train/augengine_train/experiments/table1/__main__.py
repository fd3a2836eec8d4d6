"""The command ``augengine train table1``, `make table1`: the whole experiment, resumable cell by cell."""

from __future__ import annotations

import json
from pathlib import Path

import click

from augengine.json_values import to_json
from augengine_train.cyclegan.finish import WEIGHTS
from augengine_train.experiments.cells import CellLog, run_cells
from augengine_train.experiments.folder_claim import claim
from augengine_train.experiments.table1.analysis import analyse
from augengine_train.experiments.table1.data import Drawer, prepare, tissues, write_arms
from augengine_train.experiments.table1.drawing import draw_phantoms
from augengine_train.experiments.table1.generators import digest_generators
from augengine_train.experiments.table1.plan import Plan, full, scaled
from augengine_train.experiments.table1.report import write_report
from augengine_train.experiments.table1.run import CellRunner
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand, interruptible
from augengine_train.phantom.series import DRAWING_VERSION


@click.command("table1", cls=PoliteCommand, context_settings=SETTINGS)
@click.option(
    "--out",
    type=FILE,
    help="Folder for variants, trainings and results; by default runs/table1, with --full runs/table1-full.",
)
@click.option("--data", type=FILE, help="Folder of the source shards of all repeats and worlds; by default OUT/data.")
@click.option(
    "--weights",
    type=FILE,
    help="Generators trained on phantoms; by default runs/phantom/weights, with --full runs/phantom-half-um/weights.",
)
@click.option(
    "--full", "is_full", is_flag=True, help="Train the laboratory's U-Net at 508 px, with ten repeats; it needs a GPU."
)
@click.option("--steps", type=click.IntRange(1), help="Steps of each training; by default the plan's.")
@click.option(
    "--repeats", type=click.IntRange(2), help="How often everything is repeated; by default as often as the plan says."
)
@click.option("--workers", type=click.IntRange(1), default=1, help="Number of trainings that run at a time.")
@click.option(
    "--seed",
    type=int,
    default=0,
    help="Random seed; the same seed draws the same tissue and trains the same segmenters.",
)
@click.option("--list", "lists", is_flag=True, help="Only print which tissue is needed, one line of json per folder.")
def main(
    out: Path | None,
    data: Path | None,
    weights: Path | None,
    is_full: bool,
    steps: int | None,
    repeats: int | None,
    workers: int,
    seed: int,
    lists: bool,
) -> None:
    """Train every arm on every fraction in both worlds, test, and say what follows; see docs/notes/table1.md."""
    changes = {name: value for name, value in (("steps", steps), ("repeats", repeats)) if value is not None}
    plan = (full if is_full else scaled)(seed=seed, **changes)
    out = out or Path("runs", "table1-full" if is_full else "table1")
    data = data or out / "data"
    weights = weights or Path("runs", "phantom-half-um" if is_full else "phantom", WEIGHTS)
    if lists:
        click.echo("\n".join(describe_tissue(plan, data)))
        return
    with interruptible("the same command goes on where it stopped"):
        for line in run(plan, data, out, weights, workers, draw_phantoms):
            click.echo(line)


def describe_tissue(plan: Plan, data: Path) -> list[str]:
    """What each folder must hold, as json."""
    return [json.dumps({"folder": str(each.folder(data)), **to_json(each)}) for each in tissues(plan)]


def run(plan: Plan, data: Path, out: Path, weights: Path, workers: int, draw: Drawer | None = None) -> list[str]:
    """The whole experiment, or what is left of it; the lines of its table and verdict.

    Args:
        plan: What to run.
        data: Folder of the tissue.
        out: Folder of variants, trainings and results.
        weights: Folder of the generators.
        workers: Trainings at a time.
        draw: Draws tissue that is not there; None takes what is, see `describe_tissue`.

    Raises:
        PlanMismatch: The folder holds another experiment.
        WeightsError: A stain has no generators there.
        AugengineError: Tissue, generators or options that do not fit; finished cells stay.
    """
    besides = {"generators": digest_generators(plan, weights), "drawing": DRAWING_VERSION}
    claim({**to_json(plan), **besides}, out / "plan.json", "experiment")
    echo = Echo()
    prepare(plan, data, draw, echo.note)
    write_arms(plan, data, out, weights, echo)
    log = CellLog(out / "cells.jsonl")
    results = run_cells(plan.cells(), log, CellRunner(plan, data, out), echo.note, workers=workers)
    return write_report(plan, besides, results, analyse(plan, results), out)


if __name__ == "__main__":
    main()
