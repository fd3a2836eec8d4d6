"""A generator that comes in: how to run it as it is, the form to store, and what else it could be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from augengine.engines.onnx_types import recipe_of, store_half, weights_of
from augengine.errors import CheckpointError, SpecError, WeightsError
from augengine.generator import (
    Candidate,
    Generator,
    Reading,
    as_state,
    candidates,
    generator_from,
    kind_of,
    read_checkpoint,
    run_generator,
)
from augengine.importing.behaviour import check_behaviour, check_sizes, find_multiple, fit_sides
from augengine.importing.cost import guarded
from augengine.importing.example import CHECK_PICTURES, MAX_ERROR, Example, misfit, pick_reading, read_example
from augengine.importing.export import Tile, Translate, compare, open_onnx, run_onnx, to_onnx
from augengine.importing.foreign_onnx import Graph, read_foreign, stored_form
from augengine.importing.request import Fit, ImportRequest
from augengine.json_values import from_json, to_json
from augengine.spec import SIDE_MULTIPLE
from augengine.weights.cards import Parity
from augengine.weights.recipe import Recipe

_REBUILT = 1e-3
_LAST = "an architecture of its own"

# What an ONNX file may have been made for instead; each is only named, since the file should hold the scaling.
_SCALINGS: dict[str, Callable[[Translate, Tile], Tile]] = {
    "images in [0, 1]": lambda run, x: 2 * run((x + 1) / np.float32(2)) - 1,
    "an input in [0, 1]": lambda run, x: run((x + 1) / np.float32(2)),
    "an output in [0, 1]": lambda run, x: 2 * run(x) - 1,
    "an input in [0, 255]": lambda run, x: run((x + 1) * np.float32(127.5)),
    "channels in the order BGR": lambda run, x: run(np.ascontiguousarray(x[:, ::-1]))[:, ::-1],
}


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
        multiple: What its sides are multiples of, in pixels.
        found: What it is, in a line.
        assumed, warnings, fit: The fields of `augengine.importing.request.Imported`.
        alternatives: What it could be as well, for all that its tensors show.
        generator: In torch, where it is one of ours.
    """

    translate: Translate
    stored: Graph
    recipe: Mapping[str, Any]
    found: str
    multiple: int = SIDE_MULTIPLE
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fit: Fit | None = None
    alternatives: tuple[Alternative, ...] = ()
    generator: Generator | None = field(default=None, repr=False)

    def parity(self, tile_nchw: Tile) -> Parity:
        """How far the stored form is from the loaded network."""
        x = fit_sides(tile_nchw, self.multiple)
        return compare(self.translate(x), run_onnx(self.stored, x))


def read_foreign_generator(
    request: ImportRequest, tile_nchw: Tile, on_note: Callable[[str], None] = lambda _: None
) -> ForeignGenerator:
    """Read what a request names.

    Args:
        request: Names the file.
        tile_nchw: An image that the generator should be able to translate.
        on_note: Told what takes a while.

    Raises:
        CheckpointError: It is no generator that can be read and stored, or it does not do what the example shows.
        WeightsError: torch cannot export it.
    """
    if kind_of(request.checkpoint) == "onnx":
        return _from_onnx(request, tile_nchw)
    return _from_torch(request, on_note)


def _from_torch(request: ImportRequest, on_note: Callable[[str], None]) -> ForeignGenerator:
    compared = request.example is not None
    checkpoint = read_checkpoint(request.checkpoint, entry=request.entry, said=request.said, doubtful=compared)
    reading = checkpoint.reading
    if request.example is not None:
        return _as_the_example_shows(reading, read_example(request.example, SIDE_MULTIPLE), on_note)
    return ForeignGenerator(
        translate=partial(run_generator, checkpoint.generator),
        stored=store_half(to_onnx(checkpoint.generator)),
        recipe=to_json(reading.recipe),
        found=reading.found,
        assumed=reading.assumed,
        warnings=reading.warnings,
        alternatives=tuple(_alternatives(reading)),
        generator=checkpoint.generator,
    )


def _as_the_example_shows(reading: Reading, example: Example, on_note: Callable[[str], None]) -> ForeignGenerator:
    """The reading that an example agrees with, and how far its stored form is from the example."""
    tried = candidates(reading)
    on_note(f"comparing {len(tried)} readings of the checkpoint with the example")
    said = " and ".join(reading.said.options())
    hint = (
        f"leave out {said}, so that more is tried"
        if said
        else "say what you know by --recipe, --upsampling or --padding, and each change is tried beside it"
    )
    chosen, fit = pick_reading(example, ((each.says, each, partial(_translation, each)) for each in tried), hint)
    generator = chosen.build()
    recipe = {} if chosen.recipe is None else to_json(chosen.recipe)
    stored = store_half(to_onnx(generator, recipe))
    fit = replace(fit, error=example.difference(run_onnx(stored, example.before_nchw)))
    return ForeignGenerator(
        translate=partial(run_generator, generator),
        stored=stored,
        recipe=recipe,
        found=f"{reading.found}; the example says: {chosen.says}",
        warnings=tuple(fit.warnings()),
        fit=fit,
    )


def _translation(candidate: Candidate) -> Translate:
    return partial(run_generator, candidate.build())


def _alternatives(reading: Reading) -> list[Alternative]:
    """The other readings of what was assumed."""
    recipe, said, found = reading.recipe, reading.said, []
    if said.recipe is None and recipe.blocks:
        name = "icube" if recipe.name == "zhu2017" else "zhu2017"
        changes = {"name": name, "relu_after_add": not recipe.relu_after_add}
        found.append(Alternative(option=f"--recipe {name}", changes=changes))
    if said.upsampling is None and recipe.upsampling == "nearest":
        found.append(Alternative(option="--upsampling bilinear", changes={"upsampling": "bilinear"}))
    if any("--padding" in phrase for phrase in reading.assumed):
        found.append(Alternative(option="--padding zeros", changes={"block_padding": "zeros"}))
    return found


def changed(generator: Generator, changes: Mapping[str, Any]) -> Generator:
    """The same weights in another architecture of equal tensors."""
    return generator_from(replace(generator.recipe, **changes), generator.state_dict(), "the checkpoint")


def rebuilt(model: Graph) -> Generator | None:
    """The generator of a stored form in torch, or None if its recipe is unknown or its weights are not named so."""
    try:
        recipe = from_json(Recipe, recipe_of(model))
        return generator_from(recipe, as_state(weights_of(model)), "the ONNX file")
    except (SpecError, WeightsError):
        return None


def _from_onnx(request: ImportRequest, tile_nchw: Tile) -> ForeignGenerator:
    if said := [name for name in ("entry", "recipe", "upsampling", "padding") if getattr(request, name) is not None]:
        raise SpecError(f"--{said[0]} is for checkpoints of tensors: an ONNX file holds the whole network")
    path = request.checkpoint
    read = read_foreign(path)
    stored = stored_form(read.graph, path)
    translate = guarded(open_onnx(read.graph), read.graph, path)
    multiple = find_multiple(translate, path)
    tile = fit_sides(tile_nchw, multiple)
    warnings = [*read.notes, *check_behaviour(translate, tile, multiple, path)]
    warnings += check_sizes(translate, read.fixed, multiple, path)
    fit = None if request.example is None else _fit_of_onnx(translate, stored, read_example(request.example, multiple))
    generator = _ours(read.graph, tile, translate)
    what = _LAST if generator is None else generator.recipe.sentence()
    sides = "" if multiple == SIDE_MULTIPLE else f"; its sides are multiples of {multiple} px"
    return ForeignGenerator(
        translate=translate,
        stored=stored,
        recipe={} if generator is None else to_json(generator.recipe),
        multiple=multiple,
        found=f"an ONNX graph of {len(read.graph.graph.node)} nodes: {what}{sides}",
        warnings=(*warnings, *(() if fit is None else fit.warnings())),
        fit=fit,
        generator=generator,
    )


def _fit_of_onnx(translate: Translate, stored: Graph, example: Example) -> Fit:
    """How far the stored form is from an example.

    Raises:
        CheckpointError: Too far, with the scaling that would explain it if one does.
    """
    error = example.difference(translate(example.before_nchw))
    if error <= MAX_ERROR:
        return Fit(error=example.difference(run_onnx(stored, example.before_nchw)))
    scaling = _scaling_that_fits(translate, example)
    explained = f"; it fits with {scaling}" if scaling else ""
    raise CheckpointError(
        f"the network does not give {example.name}: what it gives {misfit(error)}{explained}",
        hint="export it together with that scaling: RGB images in [-1, 1] go in and come out"
        if scaling
        else CHECK_PICTURES,
    )


def _scaling_that_fits(translate: Translate, example: Example) -> str:
    """The scaling of the images that explains an example best; empty if none does."""
    errors = {says: example.difference(run(translate, example.before_nchw)) for says, run in _SCALINGS.items()}
    best = min(errors, key=lambda says: errors[says])
    return best if errors[best] <= MAX_ERROR else ""


def _ours(model: Graph, tile_nchw: Tile, translate: Translate) -> Generator | None:
    """The generator that the file says it is, if that computes the same."""
    generator = rebuilt(model)
    if generator is None or compare(run_generator(generator, tile_nchw), translate(tile_nchw)).max > _REBUILT:
        return None
    return generator
