"""What a segmenter's training is, as its checkpoints' cards record it; and a trained one read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file

from augengine.digests import json_digest
from augengine.errors import CheckpointError, SpecError
from augengine.stains import Stain
from augengine_train.loop.checkpoints import Checkpoints, read_card
from augengine_train.unet.cohort import Cohort
from augengine_train.unet.contents import digest_sizes
from augengine_train.unet.network import Unet
from augengine_train.unet.recipe import UnetRecipe
from augengine_train.unet.standard import Standard
from augengine_train.unet.tiles import Tile
from augengine_train.unet.trained_on import TrainedOn

FORMAT = 1
WEIGHTS = "unet"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterRun:
    """What decides every number of a training: runs with equal values are equal, as far as `describe_data` tells.

    Attributes:
        recipe: How it trains.
        steps: How long.
        seed: Random seed of weights, order, crops, coins and augmentations.
        classes: Ids of the foreground.
        standard: Mean and deviation that its input is standardised with.
        precision: Type of the convolutions.
        data: What it is trained on, as plain json values.
    """

    recipe: UnetRecipe
    steps: int
    seed: int
    classes: tuple[int, ...]
    standard: Standard
    precision: str
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SpecError(f"a training has at least 1 step, got {self.steps}")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed must be in [0, 2**63), got {self.seed}")


def describe_data(
    cohort: Cohort, shown: Mapping[str, Any], *, variants: int = 0, jittered: Stain | None = None
) -> dict[str, Any]:
    """The data of a run: counts, um/px, which tiles there are and pass, what variants are, whose stain is jittered.

    Args:
        cohort: Its tiles.
        shown: What variants are, as plain json values.
        variants: How many stored variants of a tile are shown; 0 where none are, or are made.
        jittered: The stain whose amounts are jittered; None if none are.
    """
    mpps = sorted({tile.mpp for tile in cohort.train if tile.mpp is not None})
    keys = json_digest([f"{tile.key} as it is" if tile.passed else tile.key for tile in cohort.train])
    sizes = {"train": digest_sizes(cohort.train, variants), "validation": digest_sizes(cohort.validation)}
    vectors = [list(jittered.chromogen), list(jittered.counterstain)] if jittered else None
    known = {"mpp": mpps, "training_tiles": keys, "sizes": sizes, "jittered": vectors, "shown": dict(shown)}
    return {**cohort.to_json(), **known}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterCard:
    """What a checkpoint is.

    Attributes:
        run: Its training.
        step: Steps done.
        f1: F1 of its validation, by pixel; None if nothing was held out.
        validation: All of that validation's measures, as plain json values.
        trained_on: Tiles that it learned from; None in cards of before this was recorded.
        chosen_by: Tiles that it was validated on; likewise.
        format: Version of these fields.
    """

    run: SegmenterRun
    step: int
    f1: float | None = None
    validation: Mapping[str, Any] | None = None
    trained_on: TrainedOn | None = None
    chosen_by: TrainedOn | None = None
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The card of a checkpoint's folder.

        Raises:
            CheckpointError: Missing, unreadable, or of another version.
        """
        return read_card(folder, FORMAT, cls)

    def doubts(self, tiles: Sequence[Tile]) -> list[str]:
        """Why measures on some tiles may flatter the model, a line each; empty if nothing speaks for it."""
        if self.trained_on is None:
            return ["the model's card is of before it said whom it was trained on: see to it that these are others"]
        seen = ((self.trained_on, "trained on"), (self.chosen_by, "chosen by"))
        lines = [each.describe_again(tiles, how) for each, how in seen if each is not None]
        return [line for line in lines if line]


def load_segmenter(out: Path) -> tuple[Unet, SegmenterCard]:
    """The best model of a training's folder, or the last where nothing was held out; float32, in eval mode.

    Raises:
        CheckpointError: There is none, or it cannot be read.
    """
    folder = _find_checkpoint(out)
    card = SegmenterCard.read(folder)
    network = Unet(card.run.recipe)
    load_weights(network, folder)
    return network.eval(), card


def find_card(out: Path) -> SegmenterCard:
    """The card of the model that `load_segmenter` reads; errors as there."""
    return SegmenterCard.read(_find_checkpoint(out))


def _find_checkpoint(out: Path) -> Path:
    found = Checkpoints(out / "checkpoints")
    folder = found.find("best") or found.find("step")
    if folder is None:
        raise CheckpointError(f"{out} holds no checkpoint of a segmenter", hint="train one: augengine train unet")
    return folder


def load_weights(network: Unet, folder: Path) -> None:
    """Put a checkpoint's weights into a network.

    Raises:
        CheckpointError: Missing, unreadable, or of another shape.
    """
    file = folder / f"{WEIGHTS}.safetensors"
    try:
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"cannot read {file}: {str(error).splitlines()[0]}") from error
