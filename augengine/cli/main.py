"""The command line: each command parses, makes one call, prints."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, cast, get_args

import click

from augengine.chain import ChainName
from augengine.cli.console import (
    Console,
    print_budgets,
    print_prediction,
    print_summary,
    print_tile_summary,
)
from augengine.cli.dataset import (
    as_json_option,
    replay_command,
    retry_failed_option,
    sheet_command,
    status_command,
    verify_command,
)
from augengine.cli.probing import preview_command, probe_command
from augengine.cli.train import train_command
from augengine.compiling import DEFAULT_SIZE, build_stains
from augengine.dataset import AugmentRequest, augment, predict
from augengine.engines.backends import BackendName
from augengine.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_REFUSED, AugengineError
from augengine.importing import ImportRequest, import_checkpoint
from augengine.pictures.colour import TISSUE_DENSITY
from augengine.spec import MIN_SIDE, ImageFormat, Precision
from augengine.storage import path_of
from augengine.tiling import TileRequest, tile
from augengine.weights.cards import DIRECTIONS
from augengine.weights.recipe import Padding, RecipeName, Upsampling

_RESUMED = ("augment", "tile")
_KEPT = ": finished shards are kept, the same command goes on from there"


class _Group(click.Group):
    """Turns our errors into one line and a hint, and Ctrl-C into its own exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AugengineError as error:
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            click.secho(f"error: {error.message}", err=True, fg="red")
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            ctx.exit(EXIT_REFUSED)
        except KeyboardInterrupt:
            click.echo(f"interrupted{_KEPT if ctx.invoked_subcommand in _RESUMED else ''}", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours: never the exit status of a finished run
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            click.secho(f"error: {type(error).__name__}: {error}", err=True, fg="red")
            click.echo("hint: this is a fault of augengine; `augengine --debug ...` shows where", err=True)
            ctx.exit(EXIT_REFUSED)


def _interrupt(*_: object) -> None:
    # Only the first counts: a second one would break off the clean-up, with writers still at work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="augengine")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # noqa: ARG001 - read by the group, when an error passes it
    """Stain-translation augmentation for digital pathology, at scale."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


_weights = click.option(
    "--weights", type=click.Path(path_type=Path), help="Folder of generator weights, searched before the others."
)
_backend = click.option(
    "--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True, help="Runs the engines."
)
_seed = click.option("--seed", type=int, default=0, show_default=True, help="Root of every draw.")
_ray = click.option("--ray", "ray_address", metavar="ADDRESS", help="Join this Ray cluster: HOST:PORT, or auto.")
_format = click.option(
    "--format",
    "image_format",
    type=click.Choice(get_args(ImageFormat)),
    default="png",
    show_default=True,
    help="Of the images written; png and webp are lossless.",
)
_allow_failures = click.option(
    "--allow-failures",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How much may be bad and still exit with 0.",
)


@main.command("build-engines")
@click.option("--stain", help="Only this stain's engines; by default every stain with weights.")
@_weights
@click.option("--tiles", "tiles", metavar="SOURCE", help="Real tiles to measure the noise budget on.")
@_backend
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


@main.command("augment")
@click.option("--stain", required=True, help="Stain of the source: cd68, cd34, hdab, or your own.")
@click.option("--eps", type=float, help="Upper bound of the noise's deviation, in units of [-1, 1].")
@click.option("--out", "out", type=path_of, required=True, metavar="FOLDER", help="Of the augmented shards; or an URL.")
@click.option("--in", "source", help="Folder of images, or source shards, or an URL; by default the sample set.")
@click.option("--masks", type=path_of, metavar="FOLDER", help="Of masks, parallel to the folder of images; or an URL.")
@click.option("--mask-suffix", default="_mask", show_default=True, help="What a mask's name adds to its image's.")
@click.option("--variants", type=int, default=1, show_default=True, help="Variants of each sample.")
@click.option("--include-source", is_flag=True, help="Write the source samples too, as k-v0000.")
@click.option("--skip-class", "skip_classes", multiple=True, help="Pass samples of this class through untouched.")
@_seed
@click.option("--workers", default="auto", show_default=True, help="How many; auto: one a GPU, or one on a CPU.")
@_ray
@_format
@click.option("--samples-per-shard", type=int, help="Source samples a shard; by default about 256 MB of output.")
@click.option(
    "--precision",
    type=click.Choice(["auto", *get_args(Precision)]),
    default="auto",
    show_default=True,
    help="Inside the engines; auto: the fastest within the noise budget.",
)
@click.option(
    "--chain",
    type=click.Choice(get_args(ChainName)),
    default="dali",
    show_default=True,
    help="DALI's graph, or plain arrays, which it is held against.",
)
@_weights
@_backend
@click.option("--no-build", is_flag=True, help="Refuse to compile an engine that is missing.")
@click.option("--mpp", type=float, help="um/px of the source, where it does not say so itself.")
@click.option("--allow-mpp", is_flag=True, help="Accept um/px far from the generators' own.")
@click.option("--max-side", type=int, default=1024, show_default=True, help="Longest side of an image, in pixels.")
@click.option("--limit", type=int, help="Only the first samples.")
@retry_failed_option
@_allow_failures
@click.option("--dry-run", is_flag=True, help="Predict samples, gigabytes and minutes; write nothing.")
@as_json_option
def augment_command(
    dry_run: bool, as_json: bool, allow_failures: int, workers: str, precision: str, **options: Any
) -> None:
    """Write augmented shards of a stain's images."""
    chosen = cast(Precision | None, None if precision == "auto" else precision)
    request = AugmentRequest(workers=_workers(workers), precision=chosen, **options)
    with Console(quiet=as_json) as console:
        if dry_run:
            print_prediction(predict(request, console), as_json=as_json)
            return
        summary = augment(request, console)
    print_summary(summary, as_json=as_json)
    sys.exit(0 if summary.complete(allow_failures) else EXIT_FAILURES)


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"{text!r} is neither auto nor a number of at least 1", param_hint="--workers")


@main.command("tile")
@click.argument("slides", nargs=-1, required=True)
@click.option("--out", "out", type=path_of, required=True, metavar="FOLDER", help="Of the source shards; or an URL.")
@click.option("--mpp", type=float, default=0.5, show_default=True, help="um/px of the tiles.")
@click.option("--size", type=int, default=508, show_default=True, help="Side of the tiles, in pixels.")
@click.option("--overlap", type=int, default=0, show_default=True, help="Of neighbours in a grid, in pixels.")
@click.option("--slide-mpp", type=float, help="um/px of the slides' finest level, where they do not say so.")
@click.option(
    "--annotations", type=click.Path(path_type=Path), help="Folder of annotation files; by default beside the slides."
)
@click.option("--classes", multiple=True, metavar="NAME=ID", help="Class and its id in the masks; repeatable.")
@click.option("--default-class", help="What annotated objects without a class are.")
@click.option("--centred-on", metavar="CLASS", help="A tile around each object of this class, instead of a grid.")
@click.option(
    "--negatives",
    type=int,
    default=0,
    show_default=True,
    help="Tissue tiles without that class, for each object of it.",
)
@click.option("--background", type=int, default=0, show_default=True, help="Tiles without tissue, a slide.")
@click.option(
    "--random", "random", type=int, default=0, show_default=True, help="Random tissue tiles a slide, instead of a grid."
)
@click.option(
    "--split", "patients", type=click.Path(path_type=Path), help="CSV of file, patient, split: shards of each split."
)
@click.option("--min-tissue", type=float, default=0.5, show_default=True, help="Least share of tissue in a tile.")
@click.option(
    "--tissue-density", type=float, default=TISSUE_DENSITY, show_default=True, help="Optical density of tissue."
)
@click.option("--allow-dark", is_flag=True, help="Take slides with a dark ground, such as fluorescence.")
@_seed
@_format
@click.option("--tiles-per-shard", type=int, help="By default about 256 MB.")
@click.option("--workers", default="auto", show_default=True, help="How many; auto: one for every eight cores.")
@_ray
@retry_failed_option
@_allow_failures
@as_json_option
def tile_command(as_json: bool, allow_failures: int, workers: str, **options: Any) -> None:
    """Cut slides into source shards: a grid over the tissue, tiles around annotated objects, or random ones."""
    request = TileRequest(workers=_workers(workers), **options)
    with Console(quiet=as_json, doing="tiling") as console:
        summary = tile(request, console)
    print_tile_summary(summary, as_json=as_json)
    sys.exit(0 if summary.complete(allow_failures) else EXIT_FAILURES)


@main.command("import")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--stain", required=True, help="Stain of the generator: cd68, cd34, hdab, or your own.")
@click.option("--direction", type=click.Choice(DIRECTIONS), required=True, help="Which way it translates.")
@click.option("--reference", help="The reference stain; refused if it is not the stain's own.")
@click.option("--mpp", type=float, help="um/px that it was trained at; by default the other direction's, or 0.5.")
@click.option("--training", metavar="TEXT", help="What it was trained on, and how; goes on its card.")
@click.option("--entry", metavar="NAME", help="Which generator, where the file holds several: netG_A.")
@click.option(
    "--recipe",
    type=click.Choice(get_args(RecipeName)),
    help="icube has a ReLU after each residual addition, which no checkpoint shows.",
)
@click.option("--upsampling", type=click.Choice(get_args(Upsampling)), help="How it goes up, where that is not seen.")
@click.option("--padding", type=click.Choice(get_args(Padding)), help="Of its residual blocks, where that is not seen.")
@click.option("--weights", type=click.Path(path_type=Path), help="Where to write; by default $AUGENGINE_HOME/weights.")
@click.option("--tiles", metavar="SOURCE", help="Real tiles of the stain, to notice exchanged directions on.")
@click.option("--force", is_flag=True, help="Replace what is there; accept what looks exchanged.")
@as_json_option
def import_command(as_json: bool, **options: Any) -> None:
    """Store a generator that was trained elsewhere: .pth, .safetensors or .onnx."""
    with Console(quiet=as_json) as console:
        imported = import_checkpoint(ImportRequest(**options), console.note)
        for warning in imported.warnings:
            console.warn(warning)
    click.echo(json.dumps(imported.to_json()) if as_json else "\n".join(imported.lines()))


main.add_command(probe_command)
main.add_command(preview_command)
main.add_command(verify_command)
main.add_command(replay_command)
main.add_command(sheet_command)
main.add_command(status_command)
main.add_command(train_command)
