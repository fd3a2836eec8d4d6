"""The tensors that an ONNX file carries anywhere in it, and which of them onnx should not be let near."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, numpy_helper

Refusal = tuple[str, str]
"""The rest of a sentence that begins with the file, and the next step."""

_INSIDE = "export it with its weights inside: external_data=False"
_AGAIN = "copy it again, or export it anew"


def why_refused(model: ModelProto) -> Refusal | None:
    """Why its tensors are dangerous or damaged; None if they are neither."""
    nodes = [*_nodes(model.graph), *(node for function in model.functions for node in function.node)]
    # onnx would read whatever file they name.
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model, nodes)):
        return "keeps its weights in other files", _INSIDE
    # A line of text stands for terabytes, which onnx's shape inference sets out to fill.
    if any(_sparse(model, nodes)):
        return "holds sparse tensors", _AGAIN
    broken = next((tensor for tensor in _tensors(model, nodes) if not _is_whole(tensor)), None)
    if broken is None:
        return None
    name = repr(broken.name[:80])
    return f"is damaged: the tensor {name} cannot be read, or has not as many numbers as its shape says", _AGAIN


def _is_whole(tensor: TensorProto) -> bool:
    """Whether its numbers are as many as its shape says, and of a type that exists."""
    try:
        numpy_helper.to_array(tensor)
    except (TypeError, ValueError, KeyError, OverflowError, struct.error):
        return False
    return True


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of the graphs in them."""
    for node in graph.node:
        yield node
        for inner in _graphs([node]):
            yield from _nodes(inner)


def _graphs(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    for each in (attribute for node in nodes for attribute in node.attribute):
        yield from (*([each.g] if each.HasField("g") else []), *each.graphs)


def _tensors(model: ModelProto, nodes: list[NodeProto]) -> Iterator[TensorProto]:
    for graph in (model.graph, *_graphs(nodes)):
        yield from graph.initializer
    for sparse in _sparse(model, nodes):
        yield from (sparse.values, sparse.indices)
    for each in (attribute for node in nodes for attribute in node.attribute):
        yield from (*([each.t] if each.HasField("t") else []), *each.tensors)


def _sparse(model: ModelProto, nodes: list[NodeProto]) -> Iterator[SparseTensorProto]:
    for graph in (model.graph, *_graphs(nodes)):
        yield from graph.sparse_initializer
    for each in (attribute for node in nodes for attribute in node.attribute):
        yield from (*([each.sparse_tensor] if each.HasField("sparse_tensor") else []), *each.sparse_tensors)
