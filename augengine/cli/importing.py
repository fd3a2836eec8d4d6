"""The command `import`: a generator trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from augengine.cli.console import Console
from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option
from augengine.importing import ImportRequest, import_checkpoint
from augengine.weights.cards import DIRECTIONS
from augengine.weights.recipe import Padding, RecipeName, Upsampling


@click.command("import")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--stain",
    required=True,
    help="Stain of the generator: cd68, cd34, hdab, or your own (a name or a TOML file).",
)
@click.option("--direction", type=click.Choice(DIRECTIONS), required=True, help="Direction of the translation.")
@click.option("--reference", help="Reference stain; refused if it is not the stain's own.")
@click.option("--mpp", type=float, help="um/px that it was trained at; by default the other direction's, or 0.5.")
@click.option("--training", metavar="TEXT", help="Text for its card: what it was trained on, and how.")
@click.option("--entry", metavar="NAME", help="Name of the generator if the file holds several, such as netG_A.")
@click.option(
    "--recipe",
    type=click.Choice(get_args(RecipeName)),
    help="Whether a ReLU follows each residual addition, which no checkpoint shows: icube has one, zhu2017 none.",
)
@click.option(
    "--upsampling",
    type=click.Choice(get_args(Upsampling)),
    help="How the generator doubles the sides, if its tensors do not show it.",
)
@click.option(
    "--padding",
    type=click.Choice(get_args(Padding)),
    help="Padding of the residual blocks, if the tensors do not show it.",
)
@click.option(
    "--example",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="IN OUT",
    help="A picture before and after by your own code; it decides what the checkpoint does not show.",
)
@click.option("--weights", type=click.Path(path_type=Path), help="Where to write; by default $AUGENGINE_HOME/weights.")
@click.option(
    "--tiles",
    metavar="SOURCE",
    help="Real tiles of the stain; on them it is noticed if the two directions were exchanged.",
)
@click.option("--force", is_flag=True, help="Replace what is there; accept what looks exchanged or read wrongly.")
@as_json_option
def import_command(as_json: bool, **options: Any) -> None:
    """Store a generator that was trained elsewhere: .pth, .safetensors or .onnx."""
    with Console(quiet=as_json) as console:
        imported = import_checkpoint(ImportRequest(**options), console.note)
        for warning in imported.warnings:
            console.warn(warning)
    if as_json:
        print_json(imported.to_json())
    else:
        print_line("\n".join(imported.lines()))
