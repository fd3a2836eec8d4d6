"""The intermediate translation for the eye: in a run it stays in float and is never seen."""

from __future__ import annotations

from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise, quantise
from augengine.engines.base import Engine
from augengine.engines.fidelity import run_on_host
from augengine.pictures.arrays import RgbImage


def intermediate_rgb(engine: Engine, image: RgbImage) -> RgbImage:
    """A' of one image in 8 bits, uint8 (H, W, 3) of the image's size."""
    x = normalise([pad_to(image, engine.height, engine.width)])
    return quantise(run_on_host(engine, x))[0, : image.shape[0], : image.shape[1]]
