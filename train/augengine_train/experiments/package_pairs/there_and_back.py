"""What a segmenter still finds in annotated PAS that went to the stain and back, with noise in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from augengine.measures import draw, run_cycles, to_rgb
from augengine.pictures.arrays import RgbImage
from augengine_train.cyclegan.pairs import TorchPair
from augengine_train.data.decoding import PlaceReader
from augengine_train.experiments.package_pairs.annotated_pas import GLOMERULUS
from augengine_train.unet import Counts, find_tiles
from augengine_train.unet.drift import Drift
from augengine_train.unet.fit import open_view
from augengine_train.unet.foreground import Foreground, ForegroundMasks
from augengine_train.unet.measures import compare
from augengine_train.unet.predict import View
from augengine_train.validate.tiles import as_translate, to_input

SIGMAS = (0.0, 0.05, 0.1, 0.2)


def pas_there_and_back(pair: TorchPair, shard: Path, segmenter: Path, *, seed: int = 0) -> Mapping[float, Drift]:
    """What a segmenter finds in PAS, and in what came of it on the way to the stain and back, by sigma.

    Args:
        pair: Both generators.
        shard: Annotated tiles of PAS that neither they nor the segmenter saw.
        segmenter: Folder of its training.
        seed: Root of the noise.
    """
    tiles, reader = find_tiles([str(shard)]), PlaceReader()
    images = [reader.image(tile.images[0]) for tile in tiles]
    there, back = (as_translate(network, torch.device("cpu")) for network in (pair.from_reference, pair.to_reference))
    cycles = run_cycles([tile.key for tile in tiles], [to_input(image) for image in images], there, back)
    masks, judge = ForegroundMasks((GLOMERULUS,), reader), open_view(segmenter)
    truths = [masks.read(tile) for tile in tiles]
    made = {
        sigma: draw(cycles, back, sigma=sigma, seed=seed, variant=1) if sigma else [cycle.back for cycle in cycles]
        for sigma in SIGMAS
    }
    return {sigma: _drift(judge, truths, images, [to_rgb(image) for image in drawn]) for sigma, drawn in made.items()}


def _drift(judge: View, masks: Sequence[Foreground], own: Sequence[RgbImage], varied: Sequence[RgbImage]) -> Drift:
    pairs = ((judge.look(image), judge.look(before)) for image, before in zip(varied, own, strict=True))
    return Drift(
        tiles=len(own),
        variants=len(varied),
        own=judge.count(own, masks),
        varied=judge.count(varied, masks),
        agreement=sum((compare(found, before).pixels for found, before in pairs), start=Counts()),
    )
