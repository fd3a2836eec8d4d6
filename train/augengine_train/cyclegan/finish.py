"""The end of a training: both generators exported where `augengine build-engines --weights` finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augengine.chain.translate import normalise
from augengine.errors import CheckpointError
from augengine.importing.export import Provenance, export_generator
from augengine.pictures.arrays import RgbImage
from augengine.stains import Stain
from augengine.weights.cards import DIRECTIONS, Card, Direction, digest_weights, read_card, write_card
from augengine_train.cyclegan.checkpoint import TrainingCard, load_generator
from augengine_train.cyclegan.hiding import Hiding
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.loop.logs import flatten
from augengine_train.validate.verdict import judge_networks

WEIGHTS = "weights"
LIMITS = "not validated for any use: look at the validation, at the sample grids and at augmented pictures first"

_MAX_TILE = 256


def export_run(out: Path, *, tiles: Mapping[Direction, NDArray[np.float32]] | None = None) -> Sequence[Card]:
    """Export the best checkpoint of a run, or the last where none was validated.

    Args:
        out: The run's folder; the pair goes to ``{out}/weights/{reference}-{stain}/``.
        tiles: What parity with the checkpoint is measured on, by direction, as `to_tile` makes it; drawn if None.

    Returns:
        The cards of both directions.

    Raises:
        CheckpointError: There is no checkpoint, or it cannot be read.
        WeightsError: A generator that float16 cannot hold, or files that cannot be written.
    """
    checkpoints = Checkpoints(out / "checkpoints")
    folder = checkpoints.find("best") or checkpoints.find("step")
    if folder is None:
        raise CheckpointError(f"{out} holds no checkpoint of a training", hint="train first, or correct --out")
    card = TrainingCard.read(folder)
    return [
        export_generator(
            load_generator(folder, direction, card.run.recipe.generator),
            _provenance(card, direction, folder),
            out / WEIGHTS,
            tile_nchw=tiles[direction] if tiles else None,
        )
        for direction in DIRECTIONS
    ]


def judge_run(out: Path, stain: Stain, held_out: Sequence[RgbImage]) -> list[str]:
    """The verdict of `augment` on the pair that a run exported, and what to do next, as lines of text.

    The verdict is written on both cards.

    Args:
        out: The run's folder.
        stain: The stain that was trained on, with its reference.
        held_out: Pictures of it that were held out, uint8 (H, W, 3).
    """
    pair = load_pair(str(stain.reference), stain.name, out / WEIGHTS)
    verdict = judge_networks(pair.to_reference, pair.from_reference, held_out, stain)
    keep_verdict(out / WEIGHTS / f"{stain.reference}-{stain.name}", verdict.sentence())
    return verdict.lines(stain.usual_eps)


def keep_verdict(folder: Path, sentence: str) -> None:
    """Write what was found of a pair on held-out tissue on both its cards.

    Raises:
        WeightsError: A card cannot be read or written.
    """
    for direction in DIRECTIONS:
        file = folder / f"{direction}.json"
        write_card(replace(read_card(file), judged=sentence), file)


def to_tile(rgb_hwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The upper left of a picture, at most 256 px, as a generator takes it: float32 (1, 3, H, W) in [-1, 1]."""
    height, width = (min(_MAX_TILE, side) // 4 * 4 for side in rgb_hwc.shape[:2])
    return normalise([rgb_hwc[:height, :width]])


def _provenance(card: TrainingCard, direction: Direction, folder: Path) -> Provenance:
    run = card.run
    return Provenance(
        stain=run.stain,
        reference=run.reference,
        direction=direction,
        mpp=run.mpp,
        training=_sentence(card),
        limits=LIMITS,
        checkpoint_digest=digest_weights(folder / f"{direction}.safetensors"),
    )


def _sentence(card: TrainingCard) -> str:
    run, recipe = card.run, card.run.recipe
    text = (
        f"CycleGAN, recipe {recipe.name}, {card.step} of {run.steps} steps of {recipe.batch * run.processes} crop(s) "
        f"of {recipe.crop} px a stain, seed {run.seed}, {run.precision}{_hidden(recipe.hiding)}; "
        f"data: {_data(run.data)}."
    )
    if card.validation is None:
        return f"{text} Not validated: nothing was held out."
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in flatten(card.validation).items())
    return f"{text} On what was held out: {numbers}."


def _hidden(hiding: Hiding | None) -> str:
    return "" if hiding is None else f", markers hidden from a seeker behind noise of {hiding.sigma:g}"


def _data(data: Mapping[str, object]) -> str:
    return "; ".join(f"{name} {_plain(value)}" for name, value in data.items()) or "not stated"


def _plain(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return f"({', '.join(f'{name} {part}' for name, part in value.items())})"
