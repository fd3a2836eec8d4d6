"""The fused float16 pass: by Triton's interpreter on a CPU, compiled on a GPU; that it compiles is seen anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from augengine.weights.recipe import Recipe

pytest.importorskip("triton", reason="Triton is not installed: pip install 'augengine[dev]'")
torch = pytest.importorskip("torch", reason="torch is not installed")

from augengine.engines._torch_cuda import explain, place  # noqa: E402
from augengine.engines.base import EngineSpec  # noqa: E402
from augengine.engines.fused import FusedGenerator, why_not_fused  # noqa: E402
from augengine.generator import Generator, to_half  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HEIGHT, WIDTH = 24, 44
RECIPES = {
    "zhu2017": Recipe.zhu2017(width=16, blocks=2),
    "icube": replace(Recipe.icube(), width=16, blocks=1),
    "no blocks": Recipe.zhu2017(width=16, blocks=0),
}

pytestmark = [pytest.mark.usefixtures("one_thread"), *([pytest.mark.gpu] if DEVICE.type == "cuda" else [])]
if DEVICE.type == "cuda":
    RECIPES["as wide as the paper's"] = Recipe.zhu2017(width=64, blocks=2)  # too much for the interpreter


def draw_generator(recipe: Recipe) -> Generator:
    """A generator with biases and, where it has them, scales far from their beginnings: none can be forgotten."""
    random = torch.Generator().manual_seed(0)
    generator = Generator(recipe).eval()
    for name, values in generator.named_parameters():
        is_scale = values.ndim == 1 and name.endswith("weight")
        drawn = torch.randn(values.shape, generator=random) * (0.05 if values.ndim == 4 else 0.3) + is_scale
        values.data.copy_(drawn)
    return generator


def draw_images(n: int) -> Tensor:
    x: Tensor = torch.rand(n, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return x


def fused(generator: Generator, x: Tensor) -> Tensor:
    with torch.inference_mode():
        y: Tensor = FusedGenerator(generator, HEIGHT, WIDTH, DEVICE)(x.to(DEVICE)).cpu()
    return y


def rms(difference: Tensor) -> float:
    return float(difference.square().mean().sqrt())


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_it_is_as_near_to_float32_as_the_plain_float16_pass(recipe: Recipe) -> None:
    generator, x = draw_generator(recipe), draw_images(2)
    with torch.inference_mode():
        exact, half = generator(x), to_half(generator)(x)
    assert exact.std() > 0.3
    assert rms(fused(generator, x) - exact) <= 1.2 * rms(half - exact)


def test_an_image_does_not_see_its_neighbours() -> None:
    generator, x = draw_generator(RECIPES["zhu2017"]), draw_images(3)
    together = fused(generator, x)
    assert torch.equal(together.flip(0), fused(generator, x.flip(0)))


def test_a_blank_image_stays_blank() -> None:
    generator = draw_generator(RECIPES["zhu2017"])
    y = fused(generator, torch.ones(1, 3, HEIGHT, WIDTH))
    middle = y[..., 8:-8, 8:-8]
    assert torch.isfinite(y).all()
    assert (middle - middle[..., :1, :1]).abs().max() < 1e-2


@pytest.mark.parametrize(
    ("recipe", "precision", "triton", "kind"),
    [
        (RECIPES["zhu2017"], "float16", True, "fused, "),
        (RECIPES["zhu2017"], "float16", False, ""),
        (RECIPES["zhu2017"], "float32", True, ""),
        (replace(RECIPES["zhu2017"], block_padding="zeros"), "float16", True, ""),
    ],
)
def test_only_what_the_kernels_know_is_fused(recipe: Recipe, precision: Any, triton: bool, kind: str) -> None:
    generator, x = draw_generator(recipe), draw_images(1)
    spec = EngineSpec(precision=precision, height=HEIGHT, width=WIDTH, batch=1)
    placed = place(generator, spec, DEVICE, fused=triton)
    assert placed.kind == kind
    with torch.inference_mode():
        found, exact = placed.translate(x.to(DEVICE, memory_format=placed.memory_format)).cpu(), generator(x)
    assert rms(found - exact) < 5e-3
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("no such compiler"), "without Triton the plain pass runs"),
        (AssertionError("libcuda"), "without Triton the plain pass runs"),
        (RuntimeError("CUDA error: out of memory"), "use fewer workers"),
    ],
)
def test_whatever_is_raised_at_load_is_an_engines_error(error: Exception, hint: str) -> None:
    ours = explain(error)
    assert str(error) in ours.message
    assert ours.hint.startswith(hint)


@pytest.mark.parametrize("colour", [0, 2])
def test_what_is_no_number_is_none_at_the_end(colour: int) -> None:
    x = draw_images(2)
    x[0, colour, 5, 7] = float("nan")
    y = fused(draw_generator(RECIPES["zhu2017"]), x)
    assert not torch.isfinite(y[0]).any()
    assert torch.isfinite(y[1]).all()


@pytest.mark.parametrize("pixels", [70, 256, 1000, 300_000])
def test_moments_are_those_of_float64_where_the_mean_is_large(pixels: int) -> None:
    from augengine.engines.fused.network import moments_of

    random = torch.Generator().manual_seed(2)
    images = 1 if pixels > 100_000 else 2
    x = (torch.randn(images, 1, pixels, 16, generator=random) * 0.25 + 60).half()
    found = moments_of(x.to(DEVICE), 1e-5).cpu().double()
    exact = x.double().flatten(1, 2)
    assert found[:, 0] == pytest.approx(exact.mean(1), abs=2e-4)
    assert found[:, 1] == pytest.approx(1 / (exact.var(1, unbiased=False) + 1e-5).sqrt(), rel=2e-4)


@pytest.mark.parametrize(
    ("recipe", "size", "reason"),
    [
        (Recipe.zhu2017(), (508, 508), ""),
        (Recipe.icube(), (8, 512), ""),
        (replace(Recipe.zhu2017(), block_padding="zeros"), (64, 64), "pad by zeros"),
        (replace(Recipe.zhu2017(), upsampling="nearest"), (64, 64), "upsamples by nearest"),
        (Recipe.zhu2017(width=48), (64, 64), "width 48 is no power of two"),
        (Recipe.zhu2017(width=2), (64, 64), "width 2 is no power of two"),
        (Recipe.zhu2017(), (4, 64), "too small"),
        (Recipe.zhu2017(), (8192, 8192), "beyond what 32 bits count"),
        (Recipe.zhu2017(width=4), (8192, 8192), "beyond what 32 bits count"),
    ],
)
def test_what_the_kernels_do_not_know_is_named(recipe: Recipe, size: tuple[int, int], reason: str) -> None:
    found = why_not_fused(recipe, *size)
    assert (reason in found) if reason else not found


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from augengine.engines.fused import kernels

def compile(kernel, pointers, numbers, **constants):
    types = {name: "constexpr" for name in constants} | pointers | numbers
    signature = {name: types[name] for name in kernel.arg_names}
    place = kernel.arg_names.index
    values = {(place(name),): value for name, value in constants.items()}
    aligned = {(place(name),): [["tt.divisibility", 16]] for name in pointers}
    found = triton.compile(ASTSource(kernel, signature, values, aligned), target=GPUTarget("cuda", 90, 32))
    assert len(found.asm["cubin"]) > 1000
    ptx = found.asm["ptx"]
    channels = 1 if "parts" in constants else constants["C"]
    swallows = any(f"{name}.f32" in ptx for name in ("max", "min"))
    print(kernel.__name__, channels, ptx.count("ld.global.v4"), ptx.count("st.global.v4"), int(swallows))

F16, F32, I32 = "*fp16", "*fp32", "i32"
size, counts = {"height": I32, "width": I32}, {"pixels": I32, "parts": I32}
for C in (4, 64, 128, 256):
    compile(kernels.sum_plane, {"x_nhwc": F16, "sums": F32}, counts, C=C, BLOCK_C=min(C, 64), PIXELS=256)
    compile(kernels.finish_moments, {"x_nhwc": F16, "sums": F32, "moments": F32}, counts | {"epsilon": "fp32"},
            C=C, BLOCK_C=min(C, 32), MAX_PARTS=256)
    image = {"x_nhwc": F16, "moments": F32, "out_nhwc": F16}
    block = {"C": C, "PIXELS": 4096 // C, "PAD": 1}
    compile(kernels.normalise, image | {"shortcut": F16}, size, scale=None, offset=None, SHORTCUT_PAD=1, RELU=False,
            **block)
    compile(kernels.normalise, image | {"scale": F32, "offset": F32}, size, shortcut=None, SHORTCUT_PAD=0, RELU=True,
            **block)
compile(kernels.finish_moments, {"x_nhwc": F16, "sums": F32, "moments": F32}, {"pixels": I32, "epsilon": "fp32"},
        parts=1, C=64, BLOCK_C=64, MAX_PARTS=1)
compile(kernels.gather_taps, {"x_nchw": F32, "out_nhwc": F16}, size, TAPS=7, C=32, PIXELS=256)
compile(kernels.sum_taps, {"y_nhwc": F16, "bias": F32, "out_nchw": F32}, size, TAPS=7, C=32, PIXELS=256)
"""


WIDE = {
    "sum_plane": (True, False),
    "finish_moments": (True, False),
    "normalise": (True, True),
    "gather_taps": (False, True),
}
"""Kernel -> whether it reads, and writes, 16 bytes at a time."""


def test_every_kernel_compiles_for_hopper_without_a_gpu() -> None:
    compiled = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=compiled, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == 19
    assert not any(int(swallows) for *_, swallows in rows), "a maximum that takes a number for what is none"
    for name, channels, reads, writes, _ in rows:
        if name in WIDE and int(channels) >= 32:
            assert (int(reads) > 0, int(writes) > 0) == WIDE[name], name
