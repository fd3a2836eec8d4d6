"""Two generators with random weights: the arithmetic of a pass is the same whatever the weights.

It needs torch, NumPy and onnx alone, so that engines can be measured where nothing else is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from augengine.engines.onnx_types import read_model, weights_of
from augengine.generator import Generator, Recipe, generator_from
from augengine.weights.cards import DIRECTIONS
from tests.support.small_generator import random_generator, write_pair

STAIN: Final = "cd68"
REFERENCE: Final = "pas"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """G_BA and G_AB, made on first use under ``folder``; one ONNX file serves every size of image.

    Attributes:
        width, blocks: Channels of the first convolution, and residual blocks.
        folder: Where files go.
    """

    width: int
    blocks: int
    folder: Path

    @cached_property
    def weights(self) -> Path:
        """A root of weights that holds the pair."""
        models = [random_generator(seed, width=self.width, blocks=self.blocks) for seed in range(len(DIRECTIONS))]
        write_pair(self.folder / f"{REFERENCE}-{STAIN}", models)
        return self.folder

    def onnx(self) -> tuple[Path, Path]:
        """The two stored forms."""
        there, back = (self.weights / f"{REFERENCE}-{STAIN}" / f"{direction}.onnx" for direction in DIRECTIONS)
        return there, back

    @cached_property
    def generators(self) -> tuple[Generator, Generator]:
        """Both generators as torch modules, float32."""
        there, back = (self._load(file) for file in self.onnx())
        return there, back

    def gflop(self, side: int) -> float:
        """Arithmetic of one pass of one image, 10^9 operations, a multiplication and an addition being two."""
        return _gflop(self.width, self.blocks, side)

    def _load(self, file: Path) -> Generator:
        state = {name: torch.from_numpy(values) for name, values in weights_of(read_model(file)).items()}
        return generator_from(Recipe.zhu2017(width=self.width, blocks=self.blocks), state, str(file))


@cache
def _gflop(width: int, blocks: int, side: int) -> float:
    generator = Generator(Recipe.zhu2017(width=width, blocks=blocks)).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops()) / 1e9
