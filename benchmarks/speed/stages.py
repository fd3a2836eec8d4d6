"""Every stage alone, on what the stage before it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from augengine.chain.base import Translators
from augengine.chain.translate import normalise, run_engine
from augengine.draws.noise import add_noise
from augengine.engines.base import Engine
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.pictures.images import Decoder
from augengine.shards import members_of
from augengine.shards.write import ShardWriter
from augengine.spec import ImageFormat, Precision
from benchmarks.rounds import Contender
from benchmarks.speed.material import NOISE, Material


def stages(material: Material, engines: Translators, precision: Precision, variants: int) -> list[Contender]:
    """Decode, G_BA, noise, G_AB, encode (PNG and JPEG) and tar; images counted are source images."""
    gflop = material.gflop * material.size.images
    images = material.size.images
    there = Contender(
        name=f"G_BA, {precision}",
        run=_pass(material, engines.to_reference, 1),
        images=images,
        gflop=gflop,
        flops_peak=precision,
    )
    back = Contender(
        name=f"G_AB, {precision}, {variants} variants",
        run=_pass(material, engines.from_reference, variants),
        images=images,
        gflop=gflop * variants,
        flops_peak=precision,
    )
    return [_decode(material), there, _noise(material, variants), back, *_encode(material, variants), _tar(material)]


def _decode(material: Material) -> Contender:
    decoder = Decoder(threads=material.threads, max_side=material.size.side)
    encoded = [request.image for request in material.requests]
    return Contender(name="decode PNG", run=lambda: decoder.decode(encoded), images=len(encoded))


def _pass(material: Material, engine: Engine, times: int) -> Callable[[], None]:
    x = np.repeat(normalise(material.tiles), times, axis=0)
    out = np.empty_like(x)
    return lambda: run_engine(engine, x, out)


def _noise(material: Material, variants: int) -> Contender:
    x = normalise(material.tiles)
    out = np.empty_like(x[0])

    def run() -> None:
        for number, image in enumerate(x):
            for variant in range(1, variants + 1):
                add_noise(image, out, sigma=NOISE.eps, seed=NOISE.seed, key=f"t{number}", variant=variant)

    return Contender(name=f"noise, {variants} variants, 1 thread", run=run, images=len(x))


def _encode(material: Material, variants: int) -> list[Contender]:
    formats: tuple[ImageFormat, ...] = ("png", "jpg")
    return [
        Contender(
            name=f"encode {each.upper()}, {variants} variants",
            run=partial(_encode_all, material.tiles * variants, each, material.threads),
            images=material.size.images,
        )
        for each in formats
    ]


def _encode_all(tiles: Sequence[RgbImage], image_format: ImageFormat, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda tile: encode_image(tile, image_format), tiles))


def _tar(material: Material) -> Contender:
    file = Path(material.folder) / "stage.tar"

    def run() -> None:
        writer = ShardWriter(file)
        for request in material.requests:
            writer.add(request.key, members_of(request.image, "png", mask=None, json=b"{}", extras={}))
        writer.close()

    return Contender(name="tar, digest and fsync", run=run, images=material.size.images)
