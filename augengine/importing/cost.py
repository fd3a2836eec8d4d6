"""The cost of a foreign graph, as far as its shapes tell: it is asked before each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, shape_inference

from augengine.engines.onnx_types import INPUT
from augengine.errors import CheckpointError
from augengine.importing.export import Tile, Translate

MAX_VALUES = 1 << 28
"""Elements of any value in a graph, 1 GB in float32; a generator's largest has 262 144 for 64 x 64 px."""

MAX_PRODUCTS = 1 << 41
"""Multiplications of one run; zhu2017 with 64 channels has 1.2e12 for two images of 512 x 1536 px."""

MAX_PRODUCTS_IN_ALL = 1 << 43
"""The same of all runs of an import: those that find its sides, those that check it, and six of an example."""

MAX_WINDOW = 32
"""Side, in pixels, of a kernel that the graph makes while it runs. One that grows with the image costs the square of
its pixels, whatever a small one of them costs."""

_SMALLER = "a generator of 64 channels takes 2e11 for an image of 512 px; what of it takes so much more?"
_POOLS = ("MaxPool", "AveragePool", "LpPool")

Shape = tuple[int, ...]


class TooCostly(CheckpointError):
    """A graph that takes too much memory or time to be run on images of some size."""


def check_cost(model: ModelProto, path: Path, shape_nchw: Sequence[int], left: int = MAX_PRODUCTS_IN_ALL) -> int:
    """Refuse a graph that takes too much for images of a shape.

    Args:
        model: The graph.
        path: Its file, for the error's sentence.
        shape_nchw: Shape of its input.
        left: Multiplications that all further runs may take.

    Returns:
        Multiplications of a run, as far as shapes can be inferred.

    Raises:
        TooCostly: A value is larger than `MAX_VALUES`, a kernel than `MAX_WINDOW`, or the work than `MAX_PRODUCTS` or
            ``left``.
    """
    shapes = _shapes(model, shape_nchw)
    products = sum(_products(node, shapes) for node in model.graph.node)
    if reason := _why_too_much(model, shapes, products, min(MAX_PRODUCTS, left)):
        images = " x ".join(map(str, shape_nchw))
        raise TooCostly(f"{path}, for images of {images}: {reason}", hint=_SMALLER)
    return products


def _why_too_much(model: ModelProto, shapes: Mapping[str, Shape], products: int, most: int) -> str:
    """What of a run is too much; empty if nothing is."""
    if large := next((name for name, shape in shapes.items() if math.prod(shape) > MAX_VALUES), None):
        return f"{large} has the shape {shapes[large]}"
    stored = {tensor.name for tensor in model.graph.initializer}
    window = max((_window(node, shapes) for node in model.graph.node if not stored & set(node.input[1:2])), default=0)
    if window > MAX_WINDOW:
        return f"a kernel that it makes while it runs is {window} px wide, {MAX_WINDOW} are allowed"
    return "" if products <= most else f"it takes {products:.1e} multiplications, {most:.1e} are left for trying it"


def guarded(translate: Translate, model: ModelProto, path: Path) -> Translate:
    """A generator whose runs, all together, take no more than `MAX_PRODUCTS_IN_ALL`; each is checked before it begins.

    Args:
        translate: Runs ``model``.
        model: What is asked for its cost.
        path: Its file, for the error's sentence.
    """
    costs: dict[Shape, int] = {}
    left = MAX_PRODUCTS_IN_ALL

    def run(x_nchw: Tile) -> Tile:
        nonlocal left
        if costs.get(x_nchw.shape, left + 1) > left:
            costs[x_nchw.shape] = check_cost(model, path, x_nchw.shape, left)
        left -= costs[x_nchw.shape]
        return translate(x_nchw)

    return run


def _shapes(model: ModelProto, shape_nchw: Sequence[int]) -> dict[str, Shape]:
    """Value -> its shape, where it can be inferred."""
    fixed = ModelProto()
    fixed.CopyFrom(model)
    fixed.graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, list(shape_nchw)))
    del fixed.graph.output[:]  # what a file says of its output may be wrong, and nothing would be inferred
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    found = {value.name: _sides(value) for value in (*inferred.input, *inferred.value_info)}
    stored = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return {name: shape for name, shape in found.items() if shape is not None} | stored


def _sides(value: ValueInfoProto) -> Shape | None:
    sides = value.type.tensor_type.shape.dim
    return tuple(side.dim_value for side in sides) if all(side.HasField("dim_value") for side in sides) else None


def _window(node: NodeProto, shapes: Mapping[str, Shape]) -> int:
    """The longer side of a convolution's kernel; 0 where there is none, or where it is not known."""
    if node.op_type not in ("Conv", "ConvTranspose") or len(node.input) < 2:
        return 0
    return max(shapes.get(node.input[1], ())[2:], default=0)


def _kernel(node: NodeProto) -> Sequence[int]:
    return next((each.ints for each in node.attribute if each.name == "kernel_shape"), ())


def _products(node: NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiplications of a node; 0 where they are about as many as its values, or where shapes are not known.

    `augengine.importing.onnx_graph.check_operators` refuses what multiplies more and is not counted here.
    """
    given = [shapes.get(name) for name in node.input[:2]]
    made = shapes.get(node.output[0]) if node.output else None
    first, second = (*given, None, None)[:2]
    match node.op_type:
        case "Conv" | "DeformConv" if made and second:
            return math.prod(made) * math.prod(second[1:])
        case "ConvTranspose" if first and second:
            return math.prod(first) * math.prod(second[1:])
        case "MatMul" | "Gemm" if made and first:
            return math.prod(made) * max(first[-2:])
        case "Attention" if first and second and len(second) > 2:
            return 2 * math.prod(first) * second[-2]
        case "DFT" if made:
            return math.prod(made) * max(made)
        case "Einsum":
            return _einsum(node, shapes)
        case operator if operator in _POOLS and made:
            return math.prod(made) * math.prod(_kernel(node))
    return 0


def _einsum(node: NodeProto, shapes: Mapping[str, Shape]) -> int:
    """The product of the lengths of all its letters: it may go through all of them at once."""
    equation = next((each.s.decode(errors="replace") for each in node.attribute if each.name == "equation"), "")
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    lengths: dict[str, int] = {}
    for term, name in zip(terms, node.input, strict=False):
        letters, shape = term.replace("...", "."), shapes.get(name, ())
        lengths |= dict(zip(reversed(letters), reversed(shape), strict=False))
    return math.prod(lengths.values())
