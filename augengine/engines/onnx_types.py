"""Generators as ONNX: the one stored form, and the float32 graph derived from it, without torch.

The stored form is a float32 graph whose weights are float16, each followed by a Cast to float32: half the bytes, and
every float32 backend computes with the same rounded weights. Small constants stay float32. The float16 graph is made
in `augengine.engines.onnx_float16`. Every function that gives a model back gives a new one, unless it says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper, shape_inference

from augengine.engines.onnx_tensors import why_refused
from augengine.errors import SpecError, WeightsError
from augengine.json_values import parse_json

RECIPE_KEY = "augengine.recipe"
INPUT, OUTPUT = "x", "y"

_CAST_SUFFIX = ".float32"
_WEIGHTED = ("Conv", "ConvTranspose", "InstanceNormalization")
MAX_CONSTANT = 1000
"""Values of a constant up to which the stored form keeps it in float32: epsilons, bounds, scales, but no weights."""

_ONNX_ERRORS = (checker.ValidationError, shape_inference.InferenceError, ValueError, TypeError)


def read_model(path: Path) -> ModelProto:
    """Read a generator from an ONNX file and check it.

    Raises:
        WeightsError: Unreadable, malformed, with weights in other files, or not a generator's input and output.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        if refusal := why_refused(model):
            raise WeightsError(f"{path} {refusal[0]}", hint=refusal[1])
        return check_graph(model, str(path))
    except (OSError, DecodeError) as error:
        raise WeightsError(f"cannot read {path} as ONNX: {error}", hint="copy it again, or export it anew") from error


def to_bytes(model: ModelProto) -> bytes:
    """The model serialised: equal models give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def save(model: ModelProto, path: Path) -> None:
    """Write the model; equal models give equal bytes.

    Raises:
        WeightsError: The file cannot be written.
    """
    try:
        path.write_bytes(to_bytes(model))
    except OSError as error:
        raise WeightsError(f"cannot write {path}: {error.strerror}", hint="choose a folder with room") from error


def tidy(model: ModelProto, recipe: dict[str, Any]) -> ModelProto:
    """An exporter's model without its traces (paths, stacks), its sides named, and the recipe in its metadata.

    Raises:
        WeightsError: Not a generator with input ``x`` and output ``y``.
    """
    out = copy_model(model)
    graph = out.graph
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    del graph.metadata_props[:], out.metadata_props[:], graph.value_info[:]
    graph.name, graph.doc_string, out.doc_string = "generator", "", ""
    out.producer_name, out.producer_version = "augengine", ""
    _set_shape(out, ("batch", 3, "height", "width"))
    helper.set_model_props(out, {RECIPE_KEY: json.dumps(recipe, sort_keys=True)})
    return check_graph(out, "the exported generator")


def recipe_of(model: ModelProto) -> dict[str, Any]:
    """The architecture the model was exported from, as plain json values.

    Raises:
        WeightsError: It carries none.
    """
    text = next((prop.value for prop in model.metadata_props if prop.key == RECIPE_KEY), "")
    try:
        recipe = parse_json(text.encode())
    except SpecError as error:
        raise WeightsError(
            f"the ONNX model carries no {RECIPE_KEY}", hint="export the generator with augengine, from its checkpoint"
        ) from error
    if not isinstance(recipe, dict):
        raise WeightsError(f"the ONNX model's {RECIPE_KEY} is no object: {text[:80]}", hint="export it anew")
    return recipe


def weights_of(model: ModelProto) -> dict[str, NDArray[np.float32]]:
    """The generator's weights in float32 by their names in the checkpoint (``model.1.weight`` ...)."""
    return {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.name.startswith("model.")
    }


def replace_weights(model: ModelProto, weights: Mapping[str, NDArray[np.float32]]) -> ModelProto:
    """The model with other values for its weights.

    Args:
        model: A float32 graph.
        weights: All of them, by their names in the checkpoint, in the model's own shapes.

    Raises:
        WeightsError: Names or shapes that differ from the model's.
    """
    if {name: values.shape for name, values in weights_of(model).items()} != {n: w.shape for n, w in weights.items()}:
        odd = sorted(weights_of(model).keys() ^ weights.keys()) or "their shapes"
        raise WeightsError(
            f"the graph's weights are not the generator's: {odd} differ",
            hint="install the pinned torch, see constraints.txt",
        )
    out = copy_model(model)
    for tensor in out.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name))
    return out


def store_half(model: ModelProto) -> ModelProto:
    """The stored form of a float32 graph: weights rounded to float16, each followed by a Cast.

    What is no weight of a convolution or a norm stays float32 where it is small or beyond float16: an epsilon would
    become 0, a mask infinite, and both for a few bytes.

    Raises:
        WeightsError: A weight outside float16's range, +-65504.
    """
    out = copy_model(model)
    constants = {tensor.name for tensor in constants_of(out) if _stays(tensor)}
    casts = [
        helper.make_node("Cast", [name], [name + _CAST_SUFFIX], name=f"cast {name}", to=TensorProto.FLOAT)
        for name in convert_initialisers(out, TensorProto.FLOAT, np.float16, keep=scales_of(out) | constants)
    ]
    rename_inputs(out.graph.node, {cast.input[0]: cast.output[0] for cast in casts})
    replace_nodes(out, [*casts, *out.graph.node])
    return check_graph(out, "the stored form")


def to_float32(model: ModelProto) -> ModelProto:
    """The stored form with its Casts folded away: a plain float32 graph with the same, rounded weights."""
    out = copy_model(model)
    folded = set(convert_initialisers(out, TensorProto.FLOAT16, np.float32))
    casts = [node for node in out.graph.node if node.op_type == "Cast" and node.input[0] in folded]
    replace_nodes(out, [node for node in out.graph.node if node not in casts])
    rename_inputs(out.graph.node, {cast.output[0]: cast.input[0] for cast in casts})
    return check_graph(out, "the float32 form")


def fix_shape(model: ModelProto, batch: int, height: int, width: int) -> ModelProto:
    """The model for one static shape, every value's shape inferred.

    Raises:
        WeightsError: The generator does not give images of the size it takes.
    """
    out = copy_model(model)
    del out.graph.value_info[:]
    shape = (batch, 3, height, width)
    _set_shape(out, shape)
    return check_graph(out, f"the generator at {batch} x {height} x {width}", keep_shapes=True)


def copy_model(model: ModelProto) -> ModelProto:
    """A model of its own, to be changed in place."""
    out = ModelProto()
    out.CopyFrom(model)
    return out


def check_graph(model: ModelProto, what: str, *, keep_shapes: bool = False) -> ModelProto:
    """The model, once it is known to be sound; with every value's shape if these are to be kept.

    Args:
        model: To be checked.
        what: What it is, for the error's sentence.
        keep_shapes: Whether the shapes that were inferred stay in it.

    Raises:
        WeightsError: It is not valid ONNX, or has other inputs and outputs than a generator.
    """
    graph = model.graph
    names = [value.name for value in graph.input], [value.name for value in graph.output]
    if names != ([INPUT], [OUTPUT]):
        raise WeightsError(
            f"{what} has inputs and outputs {names}, expected {INPUT!r} and {OUTPUT!r}", hint="export it with augengine"
        )
    try:
        checker.check_model(model)
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except _ONNX_ERRORS as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{what} is not valid ONNX: {reason}", hint="import the checkpoint anew, or export it anew"
        ) from error
    return inferred if keep_shapes else model


def _set_shape(model: ModelProto, shape: Iterable[int | str]) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, list(shape)))


def convert_initialisers(
    model: ModelProto, source: int, dtype: type[np.floating[Any]], keep: set[str] | frozenset[str] = frozenset()
) -> list[str]:
    """Convert the initialisers of type ``source`` in place and return their names."""
    converted = []
    for tensor in model.graph.initializer:
        if tensor.data_type == source and tensor.name not in keep:
            values = numpy_helper.to_array(tensor)
            if not np.abs(values).max(initial=0) <= np.finfo(dtype).max:  # NaN too
                raise WeightsError(
                    f"{tensor.name} holds a weight beyond {dtype.__name__}", hint="its training diverged"
                )
            tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))
            converted.append(tensor.name)
    return converted


def constants_of(model: ModelProto) -> list[TensorProto]:
    """The float32 initialisers that are no weights of convolutions or norms."""
    weights = {name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input[1:]}
    tensors = (tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    return [tensor for tensor in tensors if tensor.name not in weights]


def _stays(tensor: TensorProto) -> bool:
    values = numpy_helper.to_array(tensor)
    return values.size <= MAX_CONSTANT or bool(np.abs(values).max() > np.finfo(np.float16).max)


def scales_of(model: ModelProto) -> set[str]:
    """Names of the tensors that say by how much Resize enlarges: always float32, and constants to every compiler."""
    return {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:] if name}


def rename_inputs(nodes: Iterable[NodeProto], names: dict[str, str]) -> None:
    """Let nodes take other values, by name, in place."""
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]


def replace_nodes(model: ModelProto, nodes: Iterable[NodeProto]) -> None:
    """Give a model other nodes, in place; they may be its own."""
    copies = []
    for node in nodes:
        copies.append(NodeProto())
        copies[-1].CopyFrom(node)
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(copies)
