"""Generators trained on phantoms: ``augengine train phantom-weights`` draws, trains pas-cd68 and pas-cd34, measures.

The um/px are 1 by default: a crop of 96 px then shows a whole tubule with its interstitium and the markers in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import click

from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine.pictures.files import write_png
from augengine.shards.records import write_json
from augengine.stains import BUILT_IN
from augengine.tiling.patients import PatientRow, Split
from augengine_train.cyclegan.crowded import crowded_dice
from augengine_train.cyclegan.findings import Findings, KnownField, find_out
from augengine_train.cyclegan.finish import WEIGHTS
from augengine_train.cyclegan.fit import Effort, PairFit, copy_pair, train_pair
from augengine_train.cyclegan.hiding_options import hiding_options, take_hiding
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Domain, Patients, open_domain
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.loop.logs import read_validations
from augengine_train.phantom import Patient, Series, draw_field, write_series
from augengine_train.phantom.options import correlation_option
from augengine_train.phantom.spec import PhantomStain, deal_correlations
from augengine_train.validate.grid import sample_grid

STAINS: tuple[PhantomStain, ...] = ("cd68", "cd34")
LIMITS = "trained on drawn tissue: shows the method, knows no real slide"

_REFERENCE: PhantomStain = "pas"

MARKERS = 0.5
"""Share of the crops placed on a marker: without it two crops in three show none."""

_MIN_PATIENTS = 4
_MEASURED_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """What is drawn for a training.

    Attributes:
        fields: Fields per stain.
        side: Side of a field in pixels.
        mpp: um/px.
        patients: People; the last quarter is held out to pick the best checkpoint, and as many more are measured on.
        seed: Root of the drawing.
        correlations: How many markers glomeruli hold; several are dealt to the patients in turn.
    """

    fields: int
    side: int
    mpp: float
    patients: int
    seed: int
    correlations: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.patients < _MIN_PATIENTS:
            raise SpecError(f"{_MIN_PATIENTS} patients or more are split, got {self.patients}")
        if self.side % 4:
            raise SpecError(f"a field's side must divide by 4, got {self.side}")

    @property
    def held_out(self) -> int:
        """Patients held out, and patients measured on."""
        return self.patients // 4

    def series(self, stain: PhantomStain) -> Series:
        """What is trained on and judged by; the two stains show other tissue, as unpaired slides do."""
        seed = 2 * self.seed + (stain != _REFERENCE)
        return Series(
            stain=stain,
            count=self.fields,
            side=self.side,
            mpp=self.mpp,
            seed=seed,
            patients=self.patients,
            correlations=deal_correlations(self.correlations),
        )

    def measured(self, stain: PhantomStain) -> Series:
        """What is measured on: people whom no training has seen."""
        side = min(self.side, _MEASURED_SIDE)
        count = max(self.held_out, self.fields // 4)
        seen = self.series(stain)
        return replace(seen, count=count, side=side, patients=self.held_out, first_patient=self.patients)

    def split(self) -> Patients:
        """Whom each field is of, by its key."""
        border = self.patients - self.held_out
        rows = [(Patient.of(n).name, "train" if n < border else "validation") for n in range(self.patients)]
        return Patients(
            rows=tuple(PatientRow(file=f"{who}_*", patient=who, split=cast(Split, split)) for who, split in rows)
        )


@click.command("phantom-weights", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--out", type=FILE, default=Path("runs/phantom"), help="Folder for phantoms, runs and findings.")
@click.option("--weights", type=FILE, help="Folder for the finished pairs; by default OUT/weights.")
@click.option(
    "--stain",
    "stains",
    multiple=True,
    type=click.Choice(STAINS),
    help="Train only this stain's pair; repeatable. By default all are trained.",
)
@click.option("--steps", type=click.IntRange(1), default=20000, help="Training steps, each with one crop per stain.")
@click.option("--width", type=click.IntRange(1), default=32, help="Channels of the generators' first convolution.")
@click.option("--blocks", type=click.IntRange(0), default=6, help="Residual blocks of the generators.")
@click.option("--crop", type=click.IntRange(32), default=96, help="Side of a crop, in pixels.")
@click.option(
    "--identity",
    type=click.FloatRange(0),
    default=0.5,
    help="Weight of the identity losses, as a share of --cycle; at 0 looks are swapped.",
)
@click.option(
    "--cycle",
    type=click.FloatRange(0),
    default=10.0,
    help="Weight of the cycle losses; the adversarial ones have weight 1.",
)
@click.option("--mpp", type=float, default=1.0, help="Resolution of the phantoms, in um per pixel.")
@click.option("--side", type=int, default=256, help="Side of a field, in pixels.")
@click.option("--fields", type=int, default=96, help="Number of fields to draw per stain.")
@click.option(
    "--patients", type=int, default=12, help="Number of patients that the fields come from; a quarter is held out."
)
@click.option(
    "--seed", type=int, default=0, help="Random seed; the same seed draws the same phantoms and trains the same pairs."
)
@correlation_option
@hiding_options
@click.option("--init-from", type=FILE, help="Pair to begin with: a folder of ONNX files, or a training's.")
@click.option("--resume", is_flag=True, help="Go on where an earlier call was broken off.")
def main(out: Path, weights: Path | None, stains: Sequence[PhantomStain], **options: Any) -> None:
    """Draw phantoms, train a pair of generators for each stain, and measure what the paper found."""
    drawn = ("fields", "side", "mpp", "patients", "correlations")
    tissue = Tissue(seed=options["seed"], **{name: options.pop(name) for name in drawn})
    effort = Effort(hiding=take_hiding(options), **options)
    for stain in stains or STAINS:
        click.echo("\n".join(["", *fit_phantoms(stain, tissue, effort, out, weights or out / WEIGHTS)]))


def fit_phantoms(stain: PhantomStain, tissue: Tissue, effort: Effort, out: Path, weights: Path) -> list[str]:
    """Draw, train one pair, measure it, and leave pair, grid and ``{out}/{stain}/findings.json``; lines to print."""
    reference, own = (open_phantoms(each, tissue, out / "phantoms" / each) for each in (_REFERENCE, stain))
    note = f"{tissue.fields} phantoms of {tissue.patients} patients, {tissue.side} px at {tissue.mpp:g} um/px"
    gathered = ", ".join(f"{factor:g}" for factor in tissue.correlations)
    data = {"reference": note, "stain": f"{note}, of other places, correlation {gathered}"}
    fit = PairFit(data=data, markers=MARKERS, limits=LIMITS)
    train_pair(fit, reference, own, out / stain, effort)
    pair = f"{_REFERENCE}-{stain}"
    copy_pair(out / stain / WEIGHTS / pair, weights / pair)
    findings, crowded = measure_phantoms(stain, tissue, weights, grid=out / stain / "phantoms.png")
    run: dict[str, Any] = {"steps": effort.steps, "width": effort.width, "blocks": effort.blocks, "crop": effort.crop}
    run |= {"identity": effort.identity, "cycle": effort.cycle}
    run |= {"hiding": to_json(effort.hiding), "begun_with": str(effort.init_from or "")}
    run |= {"mpp": tissue.mpp, "seed": tissue.seed, "correlations": list(tissue.correlations)}
    record = {"run": run, "course": course_of(out / stain), "crowded_dice": crowded, **findings.to_json()}
    write_json(out / stain / "findings.json", record, out / stain)
    kept = "none is crowded" if crowded is None else f"{crowded:.2f}"
    return [*findings.lines(), f"markers of b and b' within crowded glomeruli: Dice {kept}"]


def course_of(folder: Path) -> list[dict[str, Any]]:
    """How a training came to hide: what its validations found, step by step, on the people held out."""
    told = ("step", "marker_dice", "contrast_hidden", "sigmas", "agreement")
    return [{name: found[name] for name in told} for found in read_validations(folder)]


def open_phantoms(stain: PhantomStain, tissue: Tissue, folder: Path) -> Domain:
    """A stain's phantoms as shards, drawn unless they are there, its last patients held out."""
    write_series(tissue.series(stain), folder)
    return open_domain(str(folder), name=stain, target_mpp=tissue.mpp, patients=tissue.split())


def measure_phantoms(
    stain: PhantomStain, tissue: Tissue, weights: Path, *, grid: Path | None = None
) -> tuple[Findings, float | None]:
    """A stored pair's findings on people whom it has not seen, and what it keeps in crowded glomeruli."""
    pair = load_pair(_REFERENCE, stain, weights)
    networks = pair.to_reference, pair.from_reference
    a, b = ([draw_field(each.spec(i)) for i in range(each.count)] for each in map(tissue.measured, (_REFERENCE, stain)))
    known = [KnownField(image=field.image, markers=field.markers > 0) for field in b]
    references = [field.image for field in a]
    if grid is not None:
        write_png(grid, sample_grid(*networks, references, [field.image for field in known]))
    findings = find_out(*networks, references, known, BUILT_IN[stain])
    return findings, crowded_dice(*networks, b, BUILT_IN[stain])


if __name__ == "__main__":
    main()
