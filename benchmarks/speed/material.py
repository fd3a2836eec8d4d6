"""What the contenders work on: drawn tissue, two generators with random weights, and their engines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from augengine.cards import DIRECTIONS
from augengine.chain.base import Request, Translators
from augengine.engines.backends import pick_backend
from augengine.engines.base import EngineSpec
from augengine.engines.store import EngineStore
from augengine.export import Provenance, export_generator
from augengine.generator import Generator, Recipe
from augengine.images import encode_image
from augengine.spec import NoiseSpec, Precision
from train.phantom import Series, draw_field

STAIN: Final = "cd68"
REFERENCE: Final = "pas"
NOISE = NoiseSpec(eps=0.05, seed=0)
_WEIGHT_STD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large.

    Attributes:
        side: Of the images, px.
        width, blocks: Of the generators.
        images: Source images a call of ours: several batches, as a shard has, so that its stages overlap.
        peer_images: Source images a call of a peer; it takes one at a time, so that its rate is the same for many.
    """

    side: int
    width: int
    blocks: int
    images: int
    peer_images: int = 2


@dataclass(frozen=True, kw_only=True)
class Material:
    """All of it, made on first use under ``folder``.

    Attributes:
        size: How large.
        folder: Where files go.
        threads: CPU threads of every contender.
    """

    size: Size
    folder: Path
    threads: int

    @cached_property
    def tiles(self) -> list[NDArray[np.uint8]]:
        """Drawn CD68 fields, uint8 (side, side, 3)."""
        series = Series(stain=STAIN, count=self.size.images, side=self.size.side, mpp=0.5, seed=0, patients=1)
        return [draw_field(series.spec(number)).image for number in range(series.count)]

    @cached_property
    def requests(self) -> list[Request]:
        """The tiles as PNG."""
        return [Request(key=f"t{i}", image=encode_image(tile, "png")) for i, tile in enumerate(self.tiles)]

    @cached_property
    def source(self) -> Path:
        """A folder of them."""
        folder = self.folder / "tiles"
        folder.mkdir(exist_ok=True)
        for request in self.requests:
            (folder / f"{request.key}.png").write_bytes(request.image)
        return folder

    @cached_property
    def null(self) -> Material:
        """The same images, and generators that cost nothing."""
        folder = self.folder / "null"
        folder.mkdir(exist_ok=True)
        return replace(self, size=replace(self.size, width=1, blocks=0), folder=folder)

    @cached_property
    def generators(self) -> tuple[Generator, Generator]:
        """G_BA and G_AB, float32."""
        torch.manual_seed(0)
        return _random_generator(self.size), _random_generator(self.size)

    @cached_property
    def gflop(self) -> float:
        """Arithmetic of one pass of one image, 10^9 operations, a multiplication and an addition being two."""
        side = self.size.side
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            self.generators[0](torch.zeros(1, 3, side, side))
        return float(counter.get_total_flops()) / 1e9

    @cached_property
    def weights(self) -> Path:
        """A root of weights that holds the pair."""
        root = self.folder / "weights"
        for direction, generator in zip(DIRECTIONS, self.generators, strict=True):
            provenance = Provenance(
                stain=STAIN,
                reference=REFERENCE,
                direction=direction,
                mpp=0.5,
                training="none",
                limits="random weights",
                checkpoint_digest="none",
            )
            export_generator(generator, provenance, root)
        return root

    def onnx(self) -> tuple[Path, Path]:
        """The two stored forms."""
        there, back = (self.weights / f"{REFERENCE}-{STAIN}" / f"{direction}.onnx" for direction in DIRECTIONS)
        return there, back

    def engines(self, precision: Precision) -> Translators:
        """The pair as engines of this machine's best backend."""
        store, backend = EngineStore(self.folder / "engines"), pick_backend("auto")
        side = self.size.side
        batch = backend.static_batch(side, side)
        spec = EngineSpec(precision=precision, height=side, width=side, batch=batch)
        built = [store.get_or_build(file, backend, spec) for file in self.onnx()]
        there, back = (store.load(each.id, threads=self.threads) for each in built)
        return Translators(to_reference=there, from_reference=back)


def _random_generator(size: Size) -> Generator:
    generator = Generator(Recipe.zhu2017(width=size.width, blocks=size.blocks)).eval()
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=_WEIGHT_STD)
    return generator


def precisions() -> tuple[Precision, ...]:
    """What this machine computes natively, fastest first."""
    return pick_backend("auto").precisions()
