"""A generator that comes in: how to run it as it is, the form to store, and what else it could be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augengine.engines.onnx_types import recipe_of, store_half, weights_of
from augengine.errors import CheckpointError, SpecError, WeightsError
from augengine.generator import Checkpoint, Generator, Reading, as_state, generator_from, read_checkpoint, run_generator
from augengine.importing.export import compare, run_onnx, to_onnx
from augengine.importing.foreign_onnx import Graph, read_foreign, stored_form
from augengine.importing.request import ImportRequest
from augengine.weights.cards import Parity
from augengine.weights.recipe import Recipe

Images = NDArray[np.float32]
Translate = Callable[[Images], Images]
"""float32 (N, 3, H, W) in [-1, 1] to the same."""

_MAX_OUTPUT = 1.5
_REBUILT = 1e-3
_OTHER_SIDES = (2, 3, 48, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another reading of the same tensors.

    Attributes:
        option: What says so on the command line.
        changes: The recipe's fields that differ.
    """

    option: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignGenerator:
    """A generator to be stored.

    Attributes:
        translate: The network as it was loaded.
        stored: Its stored form.
        recipe: Its architecture as plain json values; empty if it is not one of ours.
        found: What it is, in a line.
        assumed, warnings: The fields of `augengine.importing.request.Imported`.
        alternatives: What it could be as well, for all that its tensors show.
        generator: In torch, where it is one of ours.
    """

    translate: Translate
    stored: Graph
    recipe: Mapping[str, Any]
    found: str
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    generator: Generator | None = field(default=None, repr=False)

    def parity(self, tile_nchw: Images) -> Parity:
        """How far the stored form is from the loaded network."""
        return compare(self.translate(tile_nchw), run_onnx(self.stored, tile_nchw))


def read_foreign_generator(request: ImportRequest, tile_nchw: Images) -> ForeignGenerator:
    """Read what a request names.

    Args:
        request: Names the file.
        tile_nchw: An image that the generator should be able to translate.

    Raises:
        CheckpointError: It is no generator that can be read and stored.
        WeightsError: torch cannot export it.
    """
    if request.checkpoint.suffix.lower() == ".onnx":
        return _from_onnx(request, tile_nchw)
    checkpoint = read_checkpoint(
        request.checkpoint,
        entry=request.entry,
        recipe=request.recipe,
        upsampling=request.upsampling,
        padding=request.padding,
    )
    return _from_torch(checkpoint, request)


def _from_torch(checkpoint: Checkpoint, request: ImportRequest) -> ForeignGenerator:
    generator, reading = checkpoint.generator, checkpoint.reading
    return ForeignGenerator(
        translate=partial(run_generator, generator),
        stored=store_half(to_onnx(generator)),
        recipe=reading.recipe.to_json(),
        found=reading.recipe.sentence(),
        assumed=reading.assumed,
        warnings=reading.warnings,
        alternatives=tuple(_alternatives(reading, request)),
        generator=generator,
    )


def _alternatives(reading: Reading, request: ImportRequest) -> list[Alternative]:
    """The other readings of what was assumed."""
    recipe, found = reading.recipe, []
    if request.recipe is None and recipe.blocks:
        name = "icube" if recipe.name == "zhu2017" else "zhu2017"
        changes = {"name": name, "relu_after_add": not recipe.relu_after_add}
        found.append(Alternative(option=f"--recipe {name}", changes=changes))
    if request.upsampling is None and recipe.upsampling == "nearest":
        found.append(Alternative(option="--upsampling bilinear", changes={"upsampling": "bilinear"}))
    if request.padding is None and any("--padding" in phrase for phrase in reading.assumed):
        found.append(Alternative(option="--padding zeros", changes={"block_padding": "zeros"}))
    return found


def changed(generator: Generator, changes: Mapping[str, Any]) -> Generator:
    """The same weights in another architecture of equal tensors."""
    return generator_from(replace(generator.recipe, **changes), generator.state_dict(), "the checkpoint")


def rebuilt(model: Graph) -> Generator | None:
    """The generator of a stored form in torch, or None if its recipe is unknown or its weights are not named so."""
    try:
        recipe = Recipe.from_json(recipe_of(model))
        return generator_from(recipe, as_state(weights_of(model)), "the ONNX file")
    except (SpecError, WeightsError):
        return None


def _from_onnx(request: ImportRequest, tile_nchw: Images) -> ForeignGenerator:
    if said := [name for name in ("entry", "recipe", "upsampling", "padding") if getattr(request, name) is not None]:
        raise SpecError(f"--{said[0]} is for checkpoints of tensors: an ONNX file holds the whole network")
    path = request.checkpoint
    model = read_foreign(path)
    stored = stored_form(model, path)
    translate = partial(run_onnx, model)
    warnings = _check_behaviour(translate, tile_nchw, path)
    generator = _ours(model, tile_nchw, translate)
    recipe = {} if generator is None else generator.recipe.to_json()
    what = "an architecture of its own" if generator is None else generator.recipe.sentence()
    return ForeignGenerator(
        translate=translate,
        stored=stored,
        recipe=recipe,
        found=f"an ONNX graph of {len(model.graph.node)} nodes: {what}",
        warnings=warnings,
        generator=generator,
    )


def _ours(model: Graph, tile_nchw: Images, translate: Translate) -> Generator | None:
    """The generator that the file says it is, if that computes the same."""
    generator = rebuilt(model)
    if generator is None or compare(run_generator(generator, tile_nchw), translate(tile_nchw)).max > _REBUILT:
        return None
    return generator


def _check_behaviour(translate: Translate, tile_nchw: Images, path: Path) -> tuple[str, ...]:
    """Refuse what is no translation of images in [-1, 1], of any size, one by one; return what is odd."""
    small = np.resize(tile_nchw, _OTHER_SIDES).astype(np.float32)
    try:
        y, both = translate(tile_nchw), translate(small)
        alone = translate(small[1:])
    except WeightsError as error:
        hint = "export it with dynamic N, H and W"
        raise CheckpointError(f"{path} is not for images of every size: {error.message}", hint=hint) from error
    if y.shape != tile_nchw.shape or both.shape != small.shape:
        raise CheckpointError(
            f"{path} makes {y.shape} of {tile_nchw.shape} and {both.shape} of {small.shape}, expected equal shapes",
            hint="a generator gives images of the size it takes; export it with dynamic H and W",
        )
    if not np.isfinite(y).all() or np.abs(y).max() > _MAX_OUTPUT:
        raise CheckpointError(
            f"{path} gives values from {y.min():.3g} to {y.max():.3g} for an image in [-1, 1], expected the same range",
            hint="export it together with the scaling of its input and output",
        )
    if compare(both[1:], alone).max > _REBUILT:
        raise CheckpointError(
            f"{path} makes another image of one that has neighbours in its batch",
            hint="export it in eval mode: batch norm is in training mode",
        )
    return ("it gives no value below 0: was it trained on [0, 1] in place of [-1, 1]?",) if y.min() >= 0 else ()
