"""An ONNX file of anybody's as a graph of ours: float32, input ``x``, output ``y``, sides left open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto

from augengine.engines.onnx_float16 import to_float16
from augengine.engines.onnx_tensors import why_refused
from augengine.engines.onnx_types import recipe_of, store_half, tidy, to_float32
from augengine.errors import CheckpointError, WeightsError
from augengine.importing.cost import check_cost
from augengine.importing.external_data import read_external_data
from augengine.importing.onnx_graph import (
    AGAIN,
    check_operators,
    ends_of,
    fixed_sides,
    leave_training,
    lift_constants,
    name_ends,
)

LOWEST_OPSET = 11

_SMALL = (1, 3, 64, 64)

Graph = ModelProto
"""A network in ONNX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOnnx:
    """An ONNX file as a graph of ours.

    Attributes:
        graph: In float32, with open sides.
        fixed: Height and width of the file's input where it fixes one of them; None if both are open.
        notes: What was changed, a sentence each.
    """

    graph: Graph
    fixed: tuple[int | str, int | str] | None
    notes: tuple[str, ...]


def read_foreign(path: Path) -> ForeignOnnx:
    """Read a generator of unknown make.

    Raises:
        CheckpointError: Unreadable, or not a float32 graph of images.
    """
    try:
        return _read(path)
    except (TypeError, ValueError) as error:  # names that are no text, types that do not exist
        raise CheckpointError(f"{path} is damaged: {error}", hint="copy it again, or export it anew") from error


def _read(path: Path) -> ForeignOnnx:
    model = _load(path)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < LOWEST_OPSET:
        raise CheckpointError(f"{path} is of opset {opset}, read are {LOWEST_OPSET} and later", hint=AGAIN)
    check_operators(model, path)
    given, made = ends_of(model, path)
    fixed = fixed_sides(given)
    lift_constants(model, path)
    dropout = leave_training(model, path)
    turned = name_ends(model, given, made)
    try:
        read = to_float32(tidy(model, _recipe(model)))
    except WeightsError as error:
        raise CheckpointError(f"{path}: {error.message}", hint=AGAIN) from error
    check_cost(read, path, _SMALL)
    notes = {"its dropout was exported in training mode and is switched off, as in eval mode": dropout}
    notes["its images have their channels last; they are turned on the way in and out"] = turned
    return ForeignOnnx(graph=read, fixed=fixed, notes=tuple(note for note, true in notes.items() if true))


def stored_form(model: ModelProto, path: Path) -> ModelProto:
    """The stored form, from which engines in every precision can be derived.

    Raises:
        CheckpointError: They cannot.
    """
    try:
        stored = store_half(model)
        for float32_norm in (True, False):
            to_float16(stored, float32_norm=float32_norm)
    except WeightsError as error:
        raise CheckpointError(f"{path} cannot be run in every precision: {error.message}", hint=AGAIN) from error
    return stored


def _load(path: Path) -> ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise CheckpointError(
            f"cannot read {path} as ONNX: {error}", hint="copy it again, or export it anew"
        ) from error
    read_external_data(model, path)
    if refusal := why_refused(model):
        raise CheckpointError(f"{path} {refusal[0]}", hint=refusal[1])
    return model


def _recipe(model: ModelProto) -> dict[str, Any]:
    """What an earlier export of ours says, else nothing."""
    try:
        return recipe_of(model)
    except WeightsError:
        return {}
