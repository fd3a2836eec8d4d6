"""The commands that make a dataset: `build-engines` and `augment`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast, get_args

import click
import cloup

from augengine.chain.base import ChainName
from augengine.cli.console import Console
from augengine.cli.options import (
    allow_failures_option,
    as_json_option,
    backend_option,
    format_option,
    parse_workers,
    ray_option,
    retry_failed_option,
    seed_option,
    weights_option,
)
from augengine.cli.results import print_budgets, print_prediction, print_summary
from augengine.compiling import DEFAULT_SIZE, build_stains
from augengine.dataset import AugmentRequest, augment, predict
from augengine.errors import EXIT_FAILURES
from augengine.spec import MASK_SUFFIX, MIN_SIDE, BackendName, Method, Precision
from augengine.storage import path_of


@click.command("build-engines")
@click.option("--stain", help="Build this stain's engines only; by default every stain's and the sample set's.")
@weights_option
@click.option(
    "--tiles",
    "tiles",
    metavar="SOURCE",
    help="Tiles on which the cost of a lower precision is measured; by default the sample set, recoloured.",
)
@backend_option
@click.option(
    "--size",
    type=click.IntRange(min=MIN_SIDE),
    default=DEFAULT_SIZE,
    show_default=True,
    help="Side of the images, in pixels.",
)
@as_json_option
def build_engines_command(
    stain: str | None, weights: Path | None, tiles: str | None, backend: BackendName, size: int, as_json: bool
) -> None:
    """Compile generators and measure what each precision costs in fidelity."""
    with Console(quiet=as_json) as console:
        pairs = build_stains(stain, weights=weights, tiles=tiles, backend=backend, size=size, on_note=console.note)
    print_budgets(pairs, as_json=as_json)


@cloup.command("augment")
@cloup.option_group(
    "Input",
    cloup.option(
        "--stain",
        required=True,
        help="Stain of the source: cd68, cd34, hdab with your own weights, or your own stain (name or TOML file).",
    ),
    cloup.option("--in", "source", help="Folder of images, source shards, or a URL; by default the sample set."),
    cloup.option("--masks", type=path_of, metavar="FOLDER", help="Folder or URL of masks, parallel to the images."),
    cloup.option(
        "--mask-suffix",
        default=MASK_SUFFIX,
        show_default=True,
        help="How the name of a mask ends: tile_mask.png is the mask of tile.png.",
    ),
    cloup.option(
        "--image-member",
        metavar="NAME",
        help="Member of source shards that is the image: what follows the key, such as jpg or input.jpg.",
    ),
    cloup.option(
        "--mask-member",
        metavar="NAME",
        help="Member of source shards that is the mask, such as png, or none; by default seg, mask, label or target.",
    ),
    cloup.option("--mpp", type=float, help="um/px of the source, where it does not say so itself."),
    cloup.option("--allow-mpp", is_flag=True, help="Accept um/px that are far from the generators' own."),
    cloup.option(
        "--max-side",
        type=int,
        default=1024,
        show_default=True,
        help="Longest side of an image, in pixels, at most 32768; longer images are left out and named.",
    ),
    cloup.option("--limit", type=int, help="Take only this many samples, the first ones."),
)
@cloup.option_group(
    "What is drawn",
    cloup.option(
        "--method",
        type=click.Choice(get_args(Method)),
        default="stain",
        show_default=True,
        help="stain: translate to the reference stain, add noise there, translate back. "
        "shuffle: move the markers by colour deconvolution; it needs no generators and no eps.",
    ),
    cloup.option(
        "--marker-threshold",
        type=float,
        help="For --method shuffle: chromogen concentration from which on a pixel is marker; "
        "by default Otsu's method finds it on tiles of the source.",
    ),
    cloup.option(
        "--eps",
        type=float,
        help="Largest standard deviation of the noise, in units of the [-1, 1] range; by default the stain's own.",
    ),
    cloup.option(
        "--variants",
        type=int,
        default=1,
        show_default=True,
        help="Number of variants of each sample, 1 to 9999.",
    ),
    cloup.option(
        "--gate",
        type=float,
        metavar="SSIM",
        help="Leave out variants whose counterstain is less like their source's than this, 0 to 1; by default none is.",
    ),
    cloup.option("--include-source", is_flag=True, help="Write the source samples too, as k-v0000."),
    cloup.option(
        "--skip-class", "skip_classes", multiple=True, help="Copy samples of this class unchanged; repeatable."
    ),
    seed_option,
)
@cloup.option_group(
    "Generators",
    weights_option,
    cloup.option(
        "--force",
        is_flag=True,
        help="Do not look at the generators on tiles of the source first, and go on whatever is known of them.",
    ),
    backend_option,
    cloup.option(
        "--precision",
        type=click.Choice(["auto", *get_args(Precision)]),
        default="auto",
        show_default=True,
        help="Precision inside the generators; auto: the fastest whose error equals noise of at most a tenth of eps.",
    ),
    cloup.option(
        "--chain",
        type=click.Choice(get_args(ChainName)),
        default="dali",
        show_default=True,
        help="How images move through the generators: dali is fast, plain is the reference. "
        "Grey levels may differ by 1.",
    ),
    cloup.option("--no-build", is_flag=True, help="Refuse to compile an engine that is missing."),
)
@cloup.option_group(
    "Output",
    cloup.option(
        "--out", "out", type=path_of, required=True, metavar="FOLDER", help="Folder or URL of the output shards."
    ),
    format_option,
    cloup.option("--samples-per-shard", type=int, help="Source samples per shard; by default about 256 MB of output."),
    cloup.option("--dry-run", is_flag=True, help="Predict samples, gigabytes and minutes; write nothing."),
    as_json_option,
)
@cloup.option_group(
    "Running",
    cloup.option(
        "--workers",
        default="auto",
        show_default=True,
        help="Number of workers; auto: one per GPU, or one on a CPU; with --ray one per GPU or node.",
    ),
    cloup.option(
        "--workers-per-gpu",
        default="1",
        show_default=True,
        help="Number of workers that share a GPU; auto: 3 up to 256 px, 2 above (not yet run on a GPU).",
    ),
    ray_option,
    retry_failed_option,
    allow_failures_option,
)
def augment_command(
    dry_run: bool,
    as_json: bool,
    allow_failures: int,
    workers: str,
    workers_per_gpu: str,
    precision: str,
    **options: Any,
) -> None:
    """Write augmented shards of a stain's images."""
    chosen = cast(Precision | None, None if precision == "auto" else precision)
    request = AugmentRequest(
        workers=parse_workers(workers),
        workers_per_gpu=parse_workers(workers_per_gpu, "--workers-per-gpu"),
        precision=chosen,
        **options,
    )
    with Console(quiet=as_json) as console:
        if dry_run:
            print_prediction(predict(request, console), as_json=as_json)
            return
        summary = augment(request, console)
    print_summary(summary, as_json=as_json)
    sys.exit(0 if summary.complete(allow_failures) else EXIT_FAILURES)
