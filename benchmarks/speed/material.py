"""What the contenders work on: drawn tissue, two generators with random weights, and their engines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Request, Translators
from augengine.chain.translate import normalise
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.backends import pick_backend
from augengine.engines.base import Engine, EngineSpec
from augengine.engines.int8_form import Int8Form
from augengine.engines.store import EngineStore
from augengine.generator import Generator
from augengine.pictures.encode import encode_image
from augengine.spec import BackendName, NoiseSpec, Precision
from augengine_train.phantom import Series, draw_field
from benchmarks.speed.networks import REFERENCE, STAIN, Networks

__all__ = ["NOISE", "REFERENCE", "STAIN", "Material", "Size", "precisions"]

NOISE = NoiseSpec(eps=0.05, seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the images and the generators are.

    Attributes:
        side: Side of the images in pixels.
        width, blocks: Width and residual blocks of the generators.
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
        networks: The two generators, where several sides share them; None makes them.
    """

    size: Size
    folder: Path
    threads: int
    networks: Networks | None = None

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
        return replace(self, size=replace(self.size, width=1, blocks=0), folder=folder, networks=None)

    @cached_property
    def own_networks(self) -> Networks:
        """The two generators."""
        if self.networks is not None:
            return self.networks
        return Networks(width=self.size.width, blocks=self.size.blocks, folder=self.folder / "weights")

    @property
    def generators(self) -> tuple[Generator, Generator]:
        """G_BA and G_AB, float32."""
        return self.own_networks.generators

    @property
    def gflop(self) -> float:
        """Arithmetic of one pass of one image, 10^9 operations, a multiplication and an addition being two."""
        return self.own_networks.gflop(self.size.side)

    @property
    def weights(self) -> Path:
        """A root of weights that holds the pair."""
        return self.own_networks.weights

    def onnx(self) -> tuple[Path, Path]:
        """The two stored forms."""
        return self.own_networks.onnx()

    def engines(self, precision: Precision, backend_name: BackendName = "auto") -> Translators:
        """The pair as engines of a backend, by default of this machine's best."""
        store, backend = EngineStore(self.folder / "engines"), pick_backend(backend_name)
        side = self.size.side
        batch = backend.static_batch(side, side)
        spec = EngineSpec(precision=precision, height=side, width=side, batch=batch)
        built = [store.get_or_build(file, backend, spec) for file in self.onnx()]
        there, back = (store.load(each.id, threads=self.threads) for each in built)
        return Translators(to_reference=there, from_reference=back)

    def int8_engine(self) -> Engine:
        """G_BA with every residual block in int8; its ranges are those of the tiles."""
        store, backend, side = EngineStore(self.folder / "engines"), pick_backend("openvino"), self.size.side
        spec = EngineSpec(precision="int8", height=side, width=side, int8=self.int8_form())
        return store.load(store.get_or_build(self.onnx()[0], backend, spec).id, threads=self.threads)

    def int8_form(self) -> Int8Form:
        """Every residual block of G_BA in int8, by the ranges of two tiles."""
        return measure_form(self.onnx()[0], normalise(self.tiles[:2]), precisions()[0])


def precisions() -> tuple[Precision, ...]:
    """What this machine computes natively, fastest first."""
    return pick_backend("auto").precisions()
