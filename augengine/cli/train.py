"""The commands of training: they lie in the package ``augengine_train`` and are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click

from augengine.errors import TrainingError

_INSTALL = "pip install 'augengine[train]'"


class _Place(NamedTuple):
    """The module of a command, and what the command does, so that a list of them imports none."""

    module: str
    purpose: str


COMMANDS: Mapping[str, _Place] = {
    "cyclegan": _Place("cyclegan.__main__", "Train a stain's generators on two unpaired sets of pictures."),
    "validate": _Place("validate.__main__", "Measure a pair of generators on held-out tissue."),
    "unet": _Place("unet.__main__", "Train a glomerulus segmenter from augmented shards."),
    "drift": _Place("unet.drift", "Measure how far a segmenter's masks drift when tiles are augmented."),
    "choose-eps": _Place("experiments.choose_eps.__main__", "Try a grid of eps and recommend the one that helps most."),
    "phantom": _Place("phantom.__main__", "Draw kidney whose glomeruli and markers are known."),
    "phantom-compare": _Place("phantom.compare", "Compare drawn tissue with real fields."),
    "phantom-weights": _Place(
        "cyclegan.phantom_pairs", "Train pairs on drawn tissue and measure the paper's findings."
    ),
    "sample-set": _Place("phantom.sample_set", "Draw the tiles that come with the package."),
    "weights": _Place("cyclegan.package_pairs", "Train the package's pairs and compare them with the committed ones."),
    "table1": _Place("experiments.table1.__main__", "Run the paper's Table 1 and its controls on drawn tissue."),
    "table1-gathering": _Place("experiments.table1.gathering", "Count markers in glomeruli in every arm's variants."),
    "table1-reread": _Place("experiments.table1.reread", "Analyse the stored cells of a finished Table 1."),
}


class _Trainings(click.Group):
    """Lists the commands without importing one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        try:
            module = import_module(f"augengine_train.{COMMANDS[cmd_name].module}")
        except ModuleNotFoundError as error:
            raise TrainingError(f"training needs the package {error.name}", hint=f"install it: {_INSTALL}") from error
        command: click.Command = module.main
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.purpose) for name, place in COMMANDS.items()])


@click.group("train", cls=_Trainings)
def train_command() -> None:
    """Train generators and segmenters (extra: train)."""
