"""The command ``augengine train validate``."""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch

from augengine.pictures.files import write_png
from augengine.pictures.markers import derive_threshold
from augengine.storage.atomic import write_whole
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Holdout, check_patients, open_domain
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand, find_own_stain
from augengine_train.validate.grid import sample_grid
from augengine_train.validate.kid import load_features
from augengine_train.validate.passes import SIGMAS, TILES, measure


@click.command("validate", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--stain", required=True, help="The stain: a built-in one's name, one of your own, or a TOML file.")
@click.option("--reference", default=None, help="Its reference stain, if another than the stain's own.")
@click.option("--data", required=True, help="Pictures of the stain: a field, a folder, or source shards.")
@click.option("--reference-data", required=True, help="Pictures of the reference stain.")
@click.option("--weights", type=FILE, help="A root of weights, a checkpoint, or {to,from}-reference.safetensors.")
@click.option("--mpp", type=float, help="um/px of the stain's pictures, where no json says it.")
@click.option("--reference-mpp", type=float, help="The same of the reference's pictures; --mpp if not given.")
@click.option("--target-mpp", type=float, help="um/px to measure at; the card's if not given.")
@click.option("--holdout", default="0.2", help="What to measure on: a strip's share, or names of files; * is all.")
@click.option("--patients", type=FILE, help="CSV of file, patient, split; its validation split is measured.")
@click.option("--tiles", type=click.IntRange(1), default=TILES, help="Most tiles of each stain.")
@click.option("--sigma", "sigmas", type=float, multiple=True, default=SIGMAS, help="Noise; may be repeated.")
@click.option("--seed", type=int, default=0, help="Of the noise.")
@click.option("--threshold", type=float, help="Chromogen concentration of a marker, if not Otsu's.")
@click.option("--kid-features", type=FILE, help="A feature network as a TorchScript file, for KID.")
@click.option("--grid", type=FILE, help="Write both cycles of a few tiles as a PNG.")
@click.option("--json", "json_file", type=FILE, help="Write the numbers as json.")
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
    if json_file is not None:
        write_whole(json_file, json.dumps(found.to_json(), indent=2) + "\n")
    if grid is not None:
        write_png(grid, sample_grid(pair.to_reference, pair.from_reference, a.held_out, b.held_out))
    click.echo("\n".join(found.lines()))


if __name__ == "__main__":
    main()
