"""The command `tile`: slides to source shards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import cloup

from augengine.cli.console import Console
from augengine.cli.options import (
    allow_failures_option,
    as_json_option,
    format_option,
    parse_workers,
    ray_option,
    retry_failed_option,
    seed_option,
)
from augengine.cli.results import print_tile_summary
from augengine.errors import EXIT_FAILURES
from augengine.pictures.colour import TISSUE_DENSITY
from augengine.storage import path_of
from augengine.tiling import TileRequest, tile


@cloup.command("tile")
@cloup.argument("slides", nargs=-1, required=True, help="Slides, folders of slides, or globs.")
@cloup.option_group(
    "Input",
    cloup.option("--slide-mpp", type=float, help="um/px of the finest level, for slides that do not state it."),
    cloup.option("--force-slide-mpp", type=float, help="um/px of the finest level of all slides, whatever they state."),
    cloup.option(
        "--annotations",
        type=click.Path(path_type=Path),
        help="Folder of annotation files; by default they lie beside the slides.",
    ),
    cloup.option(
        "--classes",
        multiple=True,
        metavar="NAME=ID",
        help="Class and its id in the masks, 0 to 255; repeatable. Several names may share an id; "
        "id 0 cuts a class out of those before it.",
    ),
    cloup.option("--default-class", help="Class of annotated objects that have none."),
    cloup.option(
        "--split",
        "patients",
        type=click.Path(path_type=Path),
        help="CSV of file, patient, split and perhaps mpp: shards for each split.",
    ),
    cloup.option("--allow-dark", is_flag=True, help="Accept slides with a dark ground, such as fluorescence."),
)
@cloup.option_group(
    "What is cut",
    cloup.option("--mpp", type=float, default=0.5, show_default=True, help="um/px of the tiles."),
    cloup.option("--size", type=int, default=508, show_default=True, help="Side of the tiles, in pixels."),
    cloup.option(
        "--overlap", type=int, default=0, show_default=True, help="Overlap between neighbouring tiles, in pixels."
    ),
    cloup.option(
        "--centred-on", metavar="CLASS", help="Cut a tile around each object of this class, instead of a grid."
    ),
    cloup.option(
        "--negatives",
        type=int,
        default=0,
        show_default=True,
        help="With --centred-on: how many tissue tiles without the class to add per object.",
    ),
    cloup.option(
        "--background", type=int, default=0, show_default=True, help="Tiles without tissue to add, per slide."
    ),
    cloup.option(
        "--random", type=int, default=0, show_default=True, help="Random tissue tiles per slide, instead of a grid."
    ),
    cloup.option(
        "--min-tissue", type=float, default=0.5, show_default=True, help="Least share of tissue in a tissue tile."
    ),
    cloup.option(
        "--tissue-density",
        type=float,
        default=TISSUE_DENSITY,
        show_default=True,
        help="Optical density from which on a pixel is tissue.",
    ),
    seed_option,
)
@cloup.option_group(
    "Output",
    cloup.option("--out", type=path_of, required=True, metavar="FOLDER", help="Folder or URL of the source shards."),
    format_option,
    cloup.option("--tiles-per-shard", type=int, help="Tiles per shard; by default about 256 MB."),
    as_json_option,
)
@cloup.option_group(
    "Running",
    cloup.option(
        "--workers", default="auto", show_default=True, help="Number of workers; auto: one for every eight cores."
    ),
    ray_option,
    retry_failed_option,
    allow_failures_option,
)
def tile_command(as_json: bool, allow_failures: int, workers: str, **options: Any) -> None:
    """Cut slides into source shards: a grid over the tissue, tiles around annotated objects, or random ones."""
    request = TileRequest(workers=parse_workers(workers), **options)
    with Console(quiet=as_json, doing="tiling") as console:
        summary = tile(request, console)
    print_tile_summary(summary, as_json=as_json)
    sys.exit(0 if summary.complete(allow_failures) else EXIT_FAILURES)
