"""The graph of a generator in the types of an engine's precision, for compilers that take types from the graph."""

from __future__ import annotations

from onnx import ModelProto

from augengine.engines.base import EngineSpec
from augengine.engines.onnx_float16 import to_float16
from augengine.engines.onnx_int8 import to_int8
from augengine.engines.onnx_types import to_float32


def to_typed(stored: ModelProto, spec: EngineSpec) -> ModelProto:
    """float32, float16 with norms in float32, or the latter around convolutions in int8; errors as of these forms."""
    if spec.precision == "float32":
        return to_float32(stored)
    model = to_int8(to_float32(stored), spec.int8, unsigned=False) if spec.int8 else stored
    return to_float16(model, float32_norm=True)
