"""The loops a user would write: one image at a time, decoded, translated, noised, translated back, saved."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image
from torch._inductor import config as inductor

from augengine.spec import Precision
from benchmarks.rounds import Contender
from benchmarks.speed.material import NOISE, Material

Translate = Callable[[torch.Tensor], torch.Tensor]

FROZEN = "channels_last, frozen"
"""How a skilled user would have weights compiled: as constants that the compiler packs once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A pair of generators as some library runs them.

    Attributes:
        name: Name of the row.
        there, back: G_BA and G_AB, float32 (1, 3, H, W) each; they give it where they run.
        precision: Precision of the arithmetic inside.
    """

    name: str
    there: Translate
    back: Translate
    precision: Precision = "float32"


def peers(material: Material, variants: int, *, native: Sequence[Precision], compiles: bool) -> list[Contender]:
    """Eager float32; bfloat16 with channels_last where it is native; compiled, if asked for, and compiled as a skilled
    user would; onnxruntime.

    Args:
        material: What they work on.
        variants: K.
        native: Precisions that the machine computes natively.
        compiles: Also torch.compile, which needs a C++ compiler and takes a minute to start.
    """
    return [_contender(loop, material, variants) for loop in _loops(material, native, compiles)]


def _loops(material: Material, native: Sequence[Precision], compiles: bool) -> Iterator[Loop]:
    ba, ab = material.generators
    yield Loop(name="eager loop, float32", there=_in_torch(ba), back=_in_torch(ab))
    if "bfloat16" in native:
        there, back = (_in_torch(_channels_last(each), channels_last=True, autocast=True) for each in (ba, ab))
        yield Loop(name="eager loop, bfloat16, channels_last", there=there, back=back, precision="bfloat16")
    if compiles:
        there, back = (_in_torch(torch.compile(each)) for each in (ba, ab))
        yield Loop(name="torch.compile, float32", there=there, back=back)
    for precision in in_torch(native) if compiles else ():
        there, back = (compiled(each, precision) for each in (ba, ab))
        yield Loop(name=f"torch.compile, {precision}, {FROZEN}", there=there, back=back, precision=precision)
    there, back = (_in_onnxruntime(file, material.threads) for file in material.onnx())
    yield Loop(name="onnxruntime, float32", there=there, back=back)


def in_torch(native: Sequence[Precision]) -> tuple[Precision, ...]:
    """The precisions in which a user would try torch's compiler: bfloat16 is not everywhere faster than float32."""
    return tuple(each for each in ("bfloat16", "float32") if each in native)


def compiled(generator: torch.nn.Module, precision: Precision) -> Translate:
    """A generator as a skilled user would run it: compiled, weights frozen, channels_last, bfloat16 by autocast."""
    inner = _in_torch(torch.compile(_channels_last(generator)), channels_last=True, autocast=precision == "bfloat16")

    def translate(x: torch.Tensor) -> torch.Tensor:
        with inductor.patch(freezing=True):
            return inner(x)

    return translate


def _channels_last(generator: torch.nn.Module) -> Any:
    return copy.deepcopy(generator).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _in_torch(generator: Any, *, channels_last: bool = False, autocast: bool = False) -> Translate:
    def translate(x: torch.Tensor) -> torch.Tensor:
        cast: AbstractContextManager[Any] = torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext()
        with torch.inference_mode(), cast:
            x = x.to(memory_format=torch.channels_last) if channels_last else x
            out: torch.Tensor = generator(x).float()
            return out

    return translate


def _in_onnxruntime(file: Path, threads: int) -> Translate:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])


def device_loop(material: Material, variants: int, *, device: str, tf32: bool) -> Contender:
    """The eager float32 loop on a device, where A' and its noise stay; its matrix products in TF32 or not."""
    there, back = (_on_device(each, device, tf32=tf32) for each in material.generators)
    return _contender(
        Loop(name=f"eager loop, TF32 {'on' if tf32 else 'off'}", there=there, back=back), material, variants
    )


def _on_device(generator: torch.nn.Module, device: str, *, tf32: bool) -> Translate:
    placed = copy.deepcopy(generator).to(device)

    def translate(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
            out: torch.Tensor = placed(x.to(device))
            return out

    return translate


def _contender(loop: Loop, material: Material, variants: int) -> Contender:
    folder = material.folder / "peer"
    folder.mkdir(exist_ok=True)
    requests = material.requests[: material.size.peer_images]

    def run() -> None:
        torch.set_num_threads(material.threads)
        for request in requests:
            a = loop.there(_decode(request.image))
            for variant in range(variants):
                noisy = a + torch.rand(()) * NOISE.eps * torch.randn_like(a)
                _save(loop.back(noisy), folder / f"{request.key}-{variant}.png")

    images = len(requests)
    gflop = (1 + variants) * images * material.gflop
    return Contender(
        name=f"{loop.name}, K = {variants}", run=run, images=images, gflop=gflop, flops_peak=loop.precision
    )


def _decode(data: bytes) -> torch.Tensor:
    pixels: NDArray[np.uint8] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return torch.tensor(pixels).permute(2, 0, 1)[None].float().contiguous() / 127.5 - 1


def _save(y: torch.Tensor, file: Path) -> None:
    grey = ((y[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu()
    Image.fromarray(grey.numpy()).save(file)
