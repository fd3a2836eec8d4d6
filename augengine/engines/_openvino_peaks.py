"""What goes into the residual convolutions of a generator: the largest magnitude of each channel, in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augengine.engines._openvino import core, settings
from augengine.engines.int8_form import Int8Convolution, Int8Form
from augengine.engines.onnx_int8 import with_peaks
from augengine.engines.onnx_types import fix_shape, read_model, to_bytes, to_float32
from augengine.errors import EngineError
from augengine.spec import Precision

MARGIN = 1.25
"""Room above the largest value seen: other tiles reach further, and what is clipped costs more than a coarser step."""

FLOOR = 0.25
"""The least peak of a channel, as a share of its convolution's largest: a channel that is quiet on some tiles, such as
one that looks for markers, may be loud on others."""

_DIGITS = 3


def measure_form(onnx_file: Path, tiles_nchw: np.ndarray, others: Precision) -> Int8Form:
    """All residual convolutions of a generator, with ranges measured on some of its inputs.

    OpenVINO measures for every backend: its float32 needs no GPU.

    Args:
        onnx_file: The stored form.
        tiles_nchw: float32 (T, 3, H, W) in [-1, 1], T >= 1.
        others: Precision of everything else; only written down.

    Raises:
        WeightsError: The file cannot be read.
        EngineError: OpenVINO fails, or a value is not finite.
        SpecError: There are no residual convolutions of augengine's own form.
    """
    fixed = fix_shape(to_float32(read_model(onnx_file)), 1, *tiles_nchw.shape[2:])
    model, weights = with_peaks(fixed)
    seen = _largest(to_bytes(model), tiles_nchw)
    found = (Int8Convolution(weight=weight, peaks=_peaks(seen[f"{weight}.peak"])) for weight in weights)
    return Int8Form(convolutions=tuple(found), others=others)


def _largest(model: bytes, tiles_nchw: np.ndarray) -> dict[str, np.ndarray]:
    """Output -> the largest of its values over all tiles."""
    try:
        compiled = core().compile_model(core().read_model(model), "CPU", settings("float32", 1))
        outputs = [port for port in compiled.outputs if port.get_any_name().endswith(".peak")]
        request, seen = compiled.create_infer_request(), dict[str, np.ndarray]()
        for tile in tiles_nchw:
            found = request.infer({0: tile[None]})
            for port in outputs:
                name, values = port.get_any_name(), found[port][0, :, 0, 0]
                seen[name] = np.maximum(seen.get(name, 0), values)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot measure ranges: {error}") from error
    return seen


def _peaks(seen: np.ndarray) -> tuple[float, ...]:
    """With room, no channel far below the largest, and few digits: they are part of an engine's identity."""
    if not np.isfinite(seen).all():
        raise EngineError("a generator's inner values are not finite", hint="the weights are damaged, or diverged")
    loudest = float(seen.max()) or 1.0
    return tuple(float(f"{peak:.{_DIGITS}g}") for peak in MARGIN * np.maximum(seen.astype(float), FLOOR * loudest))
