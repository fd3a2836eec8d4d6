"""The command ``augengine train weights``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from augengine.errors import SpecError
from augengine.weights.recipe import Upsampling
from augengine_train.cyclegan.fit import Effort, PairFit, train_pair
from augengine_train.cyclegan.hiding_options import hiding_options, take_hiding
from augengine_train.cyclegan.networks import DiscriminatorNorm
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.cyclegan.recipe import MAX_SCALES
from augengine_train.experiments.package_pairs.annotated_pas import CENTRED_TEST, TEST, Outlined
from augengine_train.experiments.package_pairs.glomeruli import look_for_glomeruli, read_outlined
from augengine_train.experiments.package_pairs.plans import (
    LIMITS,
    NO_GLOMERULUS,
    PLANS,
    REFERENCE,
    MorePas,
    notes,
    open_pair,
)
from augengine_train.experiments.package_pairs.replacing import PACKAGE_WEIGHTS, replace_pairs
from augengine_train.experiments.package_pairs.segmenter import SHARDS, fit_segmenter
from augengine_train.experiments.package_pairs.there_and_back import pas_there_and_back
from augengine_train.experiments.package_pairs.trial import has_pair, try_pair
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand, interruptible
from augengine_train.unet import find_tiles, measure

JUDGED = "cd68"
"""The stain whose glomeruli are outlined."""


@click.command("weights", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", required=True, type=FILE, help="Folder of fields_40x/ and cd68_glomeruli_20x/.")
@click.option("--pas", type=FILE, help="Folder of more PAS pictures at 0.5 um/px; their colours are matched.")
@click.option(
    "--outlined",
    type=FILE,
    help="Folder of more PAS pictures with LabelMe files, which the segmenter alone learns from.",
)
@click.option("--outlined-mpp", type=float, default=0.8, help="um/px of the pictures of --outlined.")
@click.option("--leave-out", multiple=True, metavar="NAME", help="Picture of --pas that is not trained on; repeatable.")
@click.option("--out", type=FILE, default=Path("runs/weights"), help="Folder of the runs, one per pair.")
@click.option(
    "--stain",
    "stains",
    multiple=True,
    type=click.Choice(list(PLANS)),
    help="Train only this stain's pair; repeatable. By default all are trained.",
)
@click.option("--steps", type=click.IntRange(1), default=16000, help="Training steps, each with one crop per stain.")
@click.option("--width", type=click.IntRange(1), default=32, help="Channels of the generators' first convolution.")
@click.option(
    "--blocks",
    type=click.IntRange(0),
    default=6,
    help="Residual blocks of the generators; 9 do not fit into the package.",
)
@click.option(
    "--upsampling",
    type=click.Choice(get_args(Upsampling)),
    default="transposed",
    help="How the generators double the sides.",
)
@click.option("--crop", type=click.IntRange(32), default=96, help="Side of a crop, in pixels.")
@click.option(
    "--identity",
    type=click.FloatRange(0),
    default=0.5,
    help="Weight of the identity losses, as a share of the cycle losses'; at 0 looks are swapped.",
)
@click.option(
    "--cycle",
    type=click.FloatRange(0),
    default=10.0,
    help="Weight of the cycle losses; more brings the reconstruction nearer, and translates with less freedom.",
)
@click.option(
    "--decay",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="Share of the steps over which the learning rate falls to 0.",
)
@hiding_options
@click.option(
    "--discriminator-norm",
    type=click.Choice(get_args(DiscriminatorNorm)),
    default="instance",
    help="What keeps the discriminators' layers in scale.",
)
@click.option(
    "--discriminator-scales",
    type=click.IntRange(1, MAX_SCALES),
    default=1,
    help="Sizes at which a discriminator looks at an image: the whole, half of it, a quarter.",
)
@click.option("--seed", type=int, default=0, help="Random seed; the same seed trains the same pair.")
@click.option(
    "--segmenter-steps",
    type=click.IntRange(0),
    default=1500,
    help="Steps of the segmenter that looks for glomeruli in A'; it needs the masks of --pas. 0 leaves it out.",
)
@click.option("--init-from", type=FILE, help="Pair to begin with: a folder of ONNX files, or a training's.")
@click.option("--resume", is_flag=True, help="Go on where an earlier call was broken off.")
@click.option(
    "--weights", type=FILE, default=PACKAGE_WEIGHTS, help="Folder of the pairs to compare with, and to replace."
)
@click.option("--replace", "replaces", is_flag=True, help="Replace the pairs that came out better.")
def main(
    data: Path,
    pas: Path | None,
    outlined: Path | None,
    outlined_mpp: float,
    leave_out: Sequence[str],
    out: Path,
    stains: Sequence[str],
    weights: Path,
    replaces: bool,
    segmenter_steps: int,
    **effort: Any,
) -> None:
    """Train the package's pairs, compare them with the committed ones on held-out strips, replace what is better."""
    more = None if pas is None else MorePas(folder=pas, left_out=tuple(leave_out))
    beside = None if outlined is None else Outlined(folder=outlined, mpp=outlined_mpp)
    hiding = take_hiding(effort)
    better: list[str] = []
    with interruptible("the same command with --resume goes on from the last checkpoint"):
        segmenter = _segmenter(stains, more, data, out, segmenter_steps, beside)
        for stain in stains or PLANS:
            reference, own = open_pair(stain, data, out, more)
            fit = PairFit(
                data=notes(stain, more),
                markers=PLANS[stain].markers,
                limits=LIMITS if more else f"{LIMITS}; {NO_GLOMERULUS}",
            )
            train_pair(fit, reference, own, out / stain, Effort(**effort, hiding=hiding))
            trial = try_pair(stain, reference, own, out / stain, weights)
            click.echo("\n".join(trial.lines()))
            if stain == JUDGED and segmenter is not None:
                click.echo("\n".join(_seen(stain, data, segmenter, out, weights)))
            better += [stain] if trial.may_replace else []
    click.echo(f"better than what is committed: {', '.join(better) or 'none'}")
    if replaces:
        replace_pairs(better, out, weights)


def _segmenter(
    stains: Sequence[str], more: MorePas | None, data: Path, out: Path, steps: int, beside: Outlined | None
) -> Path | None:
    """The folder of the segmenter, trained first: what it lacks is said before hours of training."""
    if JUDGED not in (stains or PLANS) or more is None or more.masks is None or not steps:
        if beside is not None:
            hint = f"it needs --stain {JUDGED}, --pas with masks/, and --segmenter-steps"
            raise SpecError("--outlined is for the segmenter, and none is trained", hint=hint)
        return None
    read_outlined(data)
    folder = fit_segmenter(more, data, out / "segmenter", steps=steps, outlined=beside)
    for shard, what in ((TEST, "the pictures of --leave-out"), (CENTRED_TEST, "their glomeruli, which fill the tile")):
        f1 = measure(folder, find_tiles([str(out / "segmenter" / SHARDS / shard)])).pixels.f1
        click.echo(f"a segmenter of PAS glomeruli: F1 by pixel {f1:.3f} on {what}")
    return folder


def _seen(stain: str, data: Path, segmenter: Path, out: Path, weights: Path) -> Iterator[str]:
    """What the segmenter finds in what the new pair makes, and the one that is kept."""
    for name, folder in (("new", out / stain / "weights"), ("committed", weights)):
        if has_pair(stain, folder):
            pair = load_pair(REFERENCE, stain, folder)
            yield f"{name}: {look_for_glomeruli(pair.to_reference, data, segmenter).line()}"
            for sigma, drift in pas_there_and_back(pair, segmenter.parent / SHARDS / TEST, segmenter).items():
                yield from (f"{name}: PAS there and back, sigma {sigma:g}: {line}" for line in drift.lines())


if __name__ == "__main__":
    main()
