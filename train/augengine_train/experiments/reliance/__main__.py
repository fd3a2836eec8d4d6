"""The command ``augengine train reliance``: the sharp experiment on drawn tissue, resumable cell by cell."""

from __future__ import annotations

from pathlib import Path

import click

from augengine.json_values import to_json
from augengine.weights.home import SAMPLE_WEIGHTS
from augengine_train.experiments.cells import CellLog, run_cells
from augengine_train.experiments.folder_claim import claim
from augengine_train.experiments.phantom_pair import find_phantom_pair
from augengine_train.experiments.reliance.analysis import analyse
from augengine_train.experiments.reliance.arms import write_arms
from augengine_train.experiments.reliance.cell import CellRunner
from augengine_train.experiments.reliance.plan import STEPS, Plan, scaled_recipe
from augengine_train.experiments.reliance.report import write_report
from augengine_train.experiments.reliance.tissue import draw_tissue
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand, interruptible
from augengine_train.phantom.series import DRAWING_VERSION
from augengine_train.phantom.spec import PhantomStain


@click.command("reliance", cls=PoliteCommand, context_settings=SETTINGS)
@click.option(
    "--out", type=FILE, default=Path("runs/reliance"), help="Folder for tissue, variants, trainings and results."
)
@click.option(
    "--weights",
    type=FILE,
    default=SAMPLE_WEIGHTS,
    help="Generators trained on drawn tissue; by default the sample set's pair, which knows CD68.",
)
@click.option("--stain", type=click.Choice(("cd34", "cd68")), default="cd68", help="Stain of the tissue.")
@click.option("--units", type=click.IntRange(2), default=12, help="Number of units, each with tissue of its own.")
@click.option("--first-unit", type=click.IntRange(0), default=0, help="Number of the first unit; a pilot takes others.")
@click.option("--steps", type=click.IntRange(1), default=STEPS, help="Steps of each training.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Number of trainings that run at a time.")
@click.option("--seed", type=int, default=0, help="Random seed of everything.")
def main(
    out: Path,
    weights: Path,
    stain: PhantomStain,
    units: int,
    first_unit: int,
    steps: int,
    workers: int,
    seed: int,
) -> None:
    """Train every arm on tissue whose markers mislead, test on four drawings of one anatomy, and say what follows."""
    plan = Plan(stain=stain, units=units, first_unit=first_unit, recipe=scaled_recipe(), steps=steps, seed=seed)
    with interruptible("the same command goes on where it stopped"):
        for line in run(plan, out, weights, Echo(), workers=workers):
            click.echo(line)


def run(plan: Plan, out: Path, weights: Path, watcher: Echo, *, workers: int = 1) -> list[str]:
    """The whole experiment, or what is left of it; the lines of its table and verdict.

    Args:
        plan: What to run.
        out: Folder of tissue, variants, trainings and results.
        weights: Folder of the generators.
        watcher: Told how far it is.
        workers: Trainings at a time.

    Raises:
        PlanMismatch: The folder holds another experiment.
        WeightsError: The stain has no generators there.
        AugengineError: Tissue, generators or options that do not fit; finished cells stay.
    """
    pair = find_phantom_pair(plan.stain, plan.mpp, weights).digests
    decided = {**to_json(plan), "generators": dict(pair), "drawing": DRAWING_VERSION}
    claim(decided, out / "plan.json", "experiment")
    draw_tissue(plan, out, watcher.note)
    write_arms(plan, out, weights, watcher)
    log = CellLog(out / "cells.jsonl")
    results = run_cells(plan.cells(), log, CellRunner(plan, out), watcher.note, workers=workers)
    return write_report(decided, results, analyse(plan, results), out)


if __name__ == "__main__":
    main()
