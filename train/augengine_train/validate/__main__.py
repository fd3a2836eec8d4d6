"""The command ``augengine train validate``."""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch

from augengine.json_values import to_json
from augengine.pictures.files import write_png
from augengine.pictures.markers import derive_threshold
from augengine.storage.atomic import write_whole
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Holdout, check_patients, open_domain
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand, find_own_stain
from augengine_train.validate.grid import sample_grid
from augengine_train.validate.kid import load_features
from augengine_train.validate.passes import SIGMAS, TILES, measure
from augengine_train.validate.verdict import judge_networks


@click.command("validate", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--stain", required=True, help="The stain: the name of a built-in one or of your own, or a TOML file.")
@click.option("--reference", default=None, help="Name of the reference stain; by default the stain's own.")
@click.option("--data", required=True, help="Pictures of the stain: a field, a folder, or source shards.")
@click.option(
    "--reference-data", required=True, help="Pictures of the reference stain: a field, a folder, or source shards."
)
@click.option(
    "--weights",
    type=FILE,
    help="Root of weights, checkpoint, or folder of safetensors to measure; by default the pair that `augment` takes.",
)
@click.option("--mpp", type=float, help="um/px of the stain's pictures, where their json does not say it.")
@click.option(
    "--reference-mpp",
    type=float,
    help="um/px of the reference's pictures, where their json does not say it; by default --mpp.",
)
@click.option("--target-mpp", type=float, help="um/px to measure at; by default the one on the pair's card.")
@click.option(
    "--holdout",
    default="0.2",
    help="What to measure on: a strip of every picture, as a share of its width, or names of files; * takes all.",
)
@click.option(
    "--patients",
    type=FILE,
    help="CSV of file, patient, split; its validation patients are measured, instead of --holdout.",
)
@click.option("--tiles", type=click.IntRange(1), default=TILES, help="Largest number of tiles per stain.")
@click.option(
    "--sigma",
    "sigmas",
    type=float,
    multiple=True,
    default=SIGMAS,
    help="Standard deviation of the noise, in units of the [-1, 1] range; repeatable.",
)
@click.option("--seed", type=int, default=0, help="Random seed of the noise.")
@click.option(
    "--threshold",
    type=float,
    help="Chromogen concentration from which on a pixel is a marker; by default Otsu's threshold.",
)
@click.option("--kid-features", type=FILE, help="TorchScript file of a feature network, with which KID is measured.")
@click.option("--grid", type=FILE, help="Write both cycles of a few tiles to this PNG.")
@click.option("--json", "json_file", type=FILE, help="Write the numbers to this json file.")
def main(
    stain: str,
    reference: str | None,
    data: str,
    reference_data: str,
    weights: Path | None,
    mpp: float | None,
    reference_mpp: float | None,
    target_mpp: float | None,
    holdout: str,
    patients: Path | None,
    tiles: int,
    sigmas: tuple[float, ...],
    seed: int,
    threshold: float | None,
    kid_features: Path | None,
    grid: Path | None,
    json_file: Path | None,
) -> None:
    """Measure a pair of generators on held-out tissue: both cycles, the markers, the response to noise."""
    own = find_own_stain(stain, reference)
    pair = load_pair(str(own.reference), own.name, weights)
    held = None if patients else Holdout.parse(holdout)
    wanted = target_mpp or pair.mpp
    b = open_domain(data, name=own.name, mpp=mpp, target_mpp=wanted, patients=patients, holdout=held)
    a = open_domain(
        reference_data,
        name=str(own.reference),
        mpp=reference_mpp or mpp,
        target_mpp=wanted,
        patients=patients,
        holdout=held,
    )
    check_patients(a, b)
    found = measure(
        pair.to_reference,
        pair.from_reference,
        a.held_out,
        b.held_out,
        own,
        sigmas=sorted(set(sigmas)),
        seed=seed,
        tiles=tiles,
        threshold=derive_threshold(b.images or b.held_out, own) if threshold is None else threshold,
        features=None if kid_features is None else load_features(kid_features, torch.device("cpu")),
    )
    verdict = judge_networks(pair.to_reference, pair.from_reference, b.held_out, own, seed=seed)
    if json_file is not None:
        numbers = to_json(found) | {"verdict": to_json(verdict)}
        write_whole(json_file, json.dumps(numbers, indent=2) + "\n")
    if grid is not None:
        write_png(grid, sample_grid(pair.to_reference, pair.from_reference, a.held_out, b.held_out))
    click.echo("\n".join([*found.lines(), *verdict.lines(own.usual_eps)]))


if __name__ == "__main__":
    main()
