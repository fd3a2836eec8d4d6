"""One pass of one generator by each means: our engines, int8 among them, and the strongest of what else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
import torch

from augengine.chain.translate import normalise, run_engine
from augengine.engines._openvino import OpenVinoBackend, core
from augengine.engines.onnx_types import fix_shape, read_model, to_bytes, to_float32
from augengine.spec import Precision
from benchmarks.rounds import Contender
from benchmarks.speed.material import Material
from benchmarks.speed.peers import FROZEN, compiled, in_torch

INT8 = "pass, int8"
COMPILED = "pass, torch.compile"
SAMPLE_TOOL = "pass, OpenVINO with its throughput hint"


def passes(material: Material, *, native: Sequence[Precision], compiles: bool, stack: ExitStack) -> list[Contender]:
    """The pass G_BA by each means that runs here; images are translated one by one, on all cores.

    Args:
        material: What they work on.
        native: Precisions that the machine computes natively.
        compiles: Also torch.compile.
        stack: Closes what is opened.
    """
    return [
        Contender(
            name=name,
            run=run,
            images=images,
            gflop=images * material.gflop,
            flops_peak="bfloat16" if "bfloat16" in native else "float32",
        )
        for name, run, images in _means(material, native, compiles, stack)
    ]


def _means(
    material: Material, native: Sequence[Precision], compiles: bool, stack: ExitStack
) -> Iterator[tuple[str, Callable[[], object], int]]:
    x = normalise(material.tiles)
    if not OpenVinoBackend().why_no_int8():
        engine = stack.enter_context(closing(material.int8_engine()))
        out = np.empty_like(x)
        yield INT8, lambda: run_engine(engine, x, out), len(x)
    few = torch.from_numpy(x[: material.size.peer_images])
    for precision in in_torch(native) if compiles else ():
        yield f"{COMPILED}, {precision}, {FROZEN}", _one_by_one(material, precision, few), len(few)
    queue = _throughput(material, "bf16" if "bfloat16" in native else "f32")
    yield SAMPLE_TOOL, lambda: _drain(queue, x), len(x)


def _one_by_one(material: Material, precision: Precision, x_nchw: torch.Tensor) -> Callable[[], object]:
    translate = compiled(material.generators[0], precision)

    def run() -> None:
        torch.set_num_threads(material.threads)
        for each in x_nchw:
            translate(each[None])

    return run


def _throughput(material: Material, precision: str) -> Any:
    """What OpenVINO's sample tool does: the hint decides how many images run at a time, and on how many threads."""
    import openvino

    side = material.size.side
    model = fix_shape(to_float32(read_model(material.onnx()[0])), 1, side, side)
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
    return openvino.AsyncInferQueue(core().compile_model(core().read_model(to_bytes(model)), "CPU", settings))


def _drain(queue: Any, x_nchw: np.ndarray) -> None:
    for each in x_nchw:
        queue.start_async({0: each[None]})
    queue.wait_all()
