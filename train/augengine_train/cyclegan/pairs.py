"""Both generators of a stain as torch modules, from stored weights or from a training's checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from augengine.engines.onnx_types import read_model, recipe_of, weights_of
from augengine.errors import CheckpointError, SpecError, WeightsError
from augengine.generator import Recipe, generator_from, load_checkpoint
from augengine.json_values import from_json
from augengine.weights.cards import DIRECTIONS, Direction, find_weights
from augengine.weights.home import weight_roots
from augengine_train.cyclegan.checkpoint import TrainingCard, load_generator
from augengine_train.loop.checkpoints import CARD


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchPair:
    """Both generators, in float32, in eval mode, on the CPU.

    Attributes:
        to_reference, from_reference: Float (N, 3, H, W) in [-1, 1] to the same shape.
        mpp: um/px they were trained at; None if the files do not say.
    """

    to_reference: nn.Module
    from_reference: nn.Module
    mpp: float | None = None


def load_pair(reference: str, stain: str, weights: Path | None = None) -> TorchPair:
    """The pair of a stain.

    Args:
        reference, stain: The pair's stains.
        weights: A checkpoint of a training, another folder with ``{to,from}-reference.safetensors``, or a root of
            weights as ``augment --weights`` takes it; None searches where ``augment`` does.

    Raises:
        WeightsError: Missing, damaged, or no generators of ours.
        CheckpointError: The checkpoint is damaged, or of another pair.
    """
    if weights and (weights / CARD).is_file():
        return _from_training(reference, stain, weights)
    files = [weights / f"{direction}.safetensors" for direction in DIRECTIONS] if weights else []
    if files and files[0].is_file():
        to_reference, from_reference = (load_checkpoint(file) for file in files)
        return TorchPair(to_reference=to_reference, from_reference=from_reference)
    roots = weight_roots() if weights is None else (weights,)
    pair = find_weights(reference, stain, roots)
    networks: dict[Direction, nn.Module] = {direction: _from_onnx(pair.path(direction)) for direction in DIRECTIONS}
    return TorchPair(to_reference=networks["to-reference"], from_reference=networks["from-reference"], mpp=pair.mpp)


def _from_training(reference: str, stain: str, folder: Path) -> TorchPair:
    run = TrainingCard.read(folder).run
    if (run.reference, run.stain) != (reference, stain):
        raise CheckpointError(
            f"{folder} is a checkpoint of {run.reference}-{run.stain}, not of {reference}-{stain}",
            hint="name that stain, or another checkpoint",
        )
    to_reference, from_reference = (load_generator(folder, each, run.recipe.generator) for each in DIRECTIONS)
    return TorchPair(to_reference=to_reference, from_reference=from_reference, mpp=run.mpp)


def _from_onnx(file: Path) -> nn.Module:
    model = read_model(file)
    try:
        recipe = from_json(Recipe, recipe_of(model))
    except SpecError as error:
        raise WeightsError(f"{file} carries no recipe of ours: {error}", hint="name a checkpoint's folder") from error
    state = {name: torch.from_numpy(values) for name, values in weights_of(model).items()}
    return generator_from(recipe, state, str(file))
