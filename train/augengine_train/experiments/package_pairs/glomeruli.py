"""Does A' still show a glomerulus? A segmenter that learnt glomeruli on PAS looks at translated CD68."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from augengine.errors import SourceError
from augengine.measures import to_rgb
from augengine.pictures.arrays import RgbImage
from augengine_train.data.domain import names_of, open_domain
from augengine_train.experiments.package_pairs.plans import MPP, PLANS
from augengine_train.unet import Measures
from augengine_train.unet.fit import open_view
from augengine_train.unet.foreground import Foreground
from augengine_train.validate.tiles import as_translate, to_input

Outline = Sequence[tuple[int, int]]

OUTLINES: Mapping[str, Outline] = {
    "IFTA_Nx_0013_16_glomeruli_patch_51": (
        (30, 115), (70, 50), (150, 25), (230, 40), (300, 75), (370, 105), (430, 155), (480, 220), (505, 290),
        (490, 370), (430, 430), (340, 455), (250, 455), (170, 425), (100, 370), (50, 300), (30, 220), (25, 160),
    ),
    "IFTA_Nx_0014_16_glomeruli_patch_130": (
        (30, 260), (45, 200), (90, 140), (150, 95), (210, 65), (280, 50), (340, 65), (390, 100), (430, 145),
        (455, 200), (465, 260), (450, 310), (420, 345), (360, 375), (280, 410), (200, 425), (140, 410), (95, 380),
        (60, 340), (40, 300),
    ),
    "IFTA_Nx_0014_16_glomeruli_patch_90": (
        (45, 270), (55, 220), (80, 160), (130, 110), (190, 92), (260, 92), (330, 105), (400, 140), (445, 190),
        (462, 240), (455, 300), (430, 350), (380, 385), (300, 415), (210, 430), (140, 425), (90, 390), (60, 340),
    ),
}  # fmt: skip
"""Bowman's capsule in the three CD68 pictures, (x, y) in pixels; drawn by eye for this project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glomeruli:
    """What a segmenter of PAS glomeruli finds in CD68.

    Attributes:
        real: In the pictures as they are: what it finds without the translation.
        translated: In A' of them.
    """

    real: Measures
    translated: Measures

    def line(self) -> str:
        """F1 by pixel of both, in a sentence."""
        real, translated = (each.pixels.f1 for each in (self.real, self.translated))
        return f"the segmenter's F1 is {translated:.3f} on A' of the CD68 glomeruli, and {real:.3f} without translation"


def look_for_glomeruli(to_reference: nn.Module, data: Path, segmenter: Path) -> Glomeruli:
    """What a segmenter finds in the CD68 pictures, as they are and translated.

    Args:
        to_reference: CD68 to PAS.
        data: The data folder.
        segmenter: The folder that `fit_segmenter` returned.

    Raises:
        SourceError: The CD68 pictures are not those that are outlined here.
    """
    images, truths = read_outlined(data)
    judge, there = open_view(segmenter), as_translate(to_reference, torch.device("cpu"))
    translated = [to_rgb(image) for image in there([to_input(image) for image in images])]
    return Glomeruli(real=judge.count(images, truths), translated=judge.count(translated, truths))


def read_outlined(data: Path) -> tuple[Sequence[RgbImage], list[Foreground]]:
    """The CD68 pictures, uint8 (H, W, 3), and where their glomeruli are, bool (H, W).

    Raises:
        SourceError: One is none of those that are outlined here.
    """
    images = open_domain(str(data / PLANS["cd68"].data), name="cd68", mpp=MPP).images
    return images, [_outlined(name, image) for name, image in zip(names_of(images), images, strict=True)]


def _outlined(name: str, image: RgbImage) -> Foreground:
    outline = OUTLINES.get(Path(name).stem)
    if outline is None:
        raise SourceError(f"nobody has outlined the glomerulus of {name}", hint=f"known are {', '.join(OUTLINES)}")
    canvas = Image.new("1", (image.shape[1], image.shape[0]))
    ImageDraw.Draw(canvas).polygon(list(outline), fill=1)
    drawn: Foreground = np.asarray(canvas)
    return drawn
