"""The commands of training: they lie in the package ``augengine_train`` and are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping

import click

from augengine.cli.lazy import LazyGroup, Place


def _place(module: str, purpose: str) -> Place:
    return Place(f"augengine_train.{module}", "main", purpose)


COMMANDS: Mapping[str, Place] = {
    "cyclegan": _place("cyclegan.__main__", "Train a stain's generators on two unpaired sets of pictures."),
    "validate": _place("validate.__main__", "Measure a pair of generators on held-out tissue."),
    "unet": _place("unet.__main__", "Train a glomerulus segmenter from augmented shards."),
    "drift": _place("unet.drift", "Measure how far a segmenter's masks drift when tiles are augmented."),
    "choose-eps": _place("experiments.choose_eps.__main__", "Try a grid of eps and recommend the one that helps most."),
    "compare": _place("experiments.compare.__main__", "Compare augmentations on your tiles: does it help, and why?"),
    "organ-cores": _place("experiments.organ_cores", "Lay out the HuBMAP + HPA set of organs for augengine tile."),
    "reliance": _place("experiments.reliance.__main__", "Run the experiment on reliance on markers, on drawn tissue."),
    "phantom": _place("phantom.__main__", "Draw kidney whose glomeruli and markers are known."),
    "phantom-compare": _place("phantom.compare", "Compare drawn tissue with real fields."),
    "phantom-weights": _place(
        "cyclegan.phantom_pairs", "Train pairs on drawn tissue and measure the paper's findings."
    ),
    "sample-set": _place("phantom.sample_set", "Draw the tiles that come with the package."),
    "weights": _place(
        "experiments.package_pairs.__main__", "Train the package's pairs and compare them with the committed ones."
    ),
    "table1": _place("experiments.table1.__main__", "Run the paper's Table 1 and its controls on drawn tissue."),
    "table1-gathering": _place("experiments.table1.gathering", "Count markers in glomeruli in every arm's variants."),
    "table1-reread": _place("experiments.table1.reread", "Analyse the stored cells of a finished Table 1."),
}


@click.group("train", cls=LazyGroup, places=COMMANDS, extra="train")
def train_command() -> None:
    """Train generators and segmenters (extra: train)."""
