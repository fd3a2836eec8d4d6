"""The command `tile`: slides to source shards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from augengine.cli.console import Console, print_tile_summary
from augengine.cli.options import (
    allow_failures_option,
    as_json_option,
    format_option,
    parse_workers,
    ray_option,
    retry_failed_option,
    seed_option,
)
from augengine.errors import EXIT_FAILURES
from augengine.pictures.colour import TISSUE_DENSITY
from augengine.storage import path_of
from augengine.tiling import TileRequest, tile


@click.command("tile")
@click.argument("slides", nargs=-1, required=True)
@click.option("--out", "out", type=path_of, required=True, metavar="FOLDER", help="Folder or URL of the source shards.")
@click.option("--mpp", type=float, default=0.5, show_default=True, help="um/px of the tiles.")
@click.option("--size", type=int, default=508, show_default=True, help="Side of the tiles, in pixels.")
@click.option(
    "--overlap", type=int, default=0, show_default=True, help="Overlap between neighbouring tiles, in pixels."
)
@click.option("--slide-mpp", type=float, help="um/px of the slides' finest level, where they do not say so.")
@click.option(
    "--annotations", type=click.Path(path_type=Path), help="Folder of annotation files; by default beside the slides."
)
@click.option("--classes", multiple=True, metavar="NAME=ID", help="Class and its id in the masks; repeatable.")
@click.option("--default-class", help="Class of annotated objects that have none.")
@click.option("--centred-on", metavar="CLASS", help="Cut a tile around each object of this class, instead of a grid.")
@click.option(
    "--negatives",
    type=int,
    default=0,
    show_default=True,
    help="With --centred-on: how many tissue tiles without the class to add per object.",
)
@click.option("--background", type=int, default=0, show_default=True, help="Tiles without tissue, per slide.")
@click.option(
    "--random",
    "random",
    type=int,
    default=0,
    show_default=True,
    help="Random tissue tiles per slide, instead of a grid.",
)
@click.option(
    "--split", "patients", type=click.Path(path_type=Path), help="CSV of file, patient, split: shards for each split."
)
@click.option("--min-tissue", type=float, default=0.5, show_default=True, help="Least share of tissue in a tile.")
@click.option(
    "--tissue-density",
    type=float,
    default=TISSUE_DENSITY,
    show_default=True,
    help="Optical density from which on a pixel is tissue.",
)
@click.option("--allow-dark", is_flag=True, help="Accept slides with a dark ground, such as fluorescence.")
@seed_option
@format_option
@click.option("--tiles-per-shard", type=int, help="Tiles per shard; by default about 256 MB.")
@click.option(
    "--workers", default="auto", show_default=True, help="Number of workers; auto: one for every eight cores."
)
@ray_option
@retry_failed_option
@allow_failures_option
@as_json_option
def tile_command(as_json: bool, allow_failures: int, workers: str, **options: Any) -> None:
    """Cut slides into source shards: a grid over the tissue, tiles around annotated objects, or random ones."""
    request = TileRequest(workers=parse_workers(workers), **options)
    with Console(quiet=as_json, doing="tiling") as console:
        summary = tile(request, console)
    print_tile_summary(summary, as_json=as_json)
    sys.exit(0 if summary.complete(allow_failures) else EXIT_FAILURES)
