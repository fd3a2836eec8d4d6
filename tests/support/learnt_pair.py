"""A pair of small generators that have learnt to change the colours of drawn tissue, and that tissue."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from augengine.generator import Generator, generator_from
from augengine.importing.export import to_onnx
from augengine.weights.cards import DIRECTIONS, Direction
from augengine.weights.recipe import Recipe
from tests.support.pictures import encode, tissue

Pair = dict[Direction, Path]

RECIPE = Recipe(name="icube", width=6, blocks=3, relu_after_add=True)
SIDE = 64
PICTURES = [tissue(SIDE, SIDE, seed) for seed in range(3)]
STAIN = np.stack([picture.transpose(2, 0, 1) for picture in PICTURES]).astype(np.float32) / np.float32(127.5) - 1
REFERENCE = np.float32(0.5) * STAIN[:, [2, 0, 1]] - np.float32(0.45)
"""The same tissue in darker and other colours."""


def learnt(x_nchw: NDArray[np.float32], y_nchw: NDArray[np.float32], seed: int) -> Generator:
    """A small generator trained to make ``y`` of ``x``, a ReLU after each addition."""
    torch.manual_seed(seed)
    generator = Generator(RECIPE)
    for parameter in generator.parameters():
        if parameter.ndim == 4:
            nn.init.normal_(parameter, 0, 0.05)
    adam = torch.optim.Adam(generator.parameters(), 3e-3)
    x, y = torch.from_numpy(x_nchw), torch.from_numpy(y_nchw)
    for _ in range(150):
        adam.zero_grad()
        (generator(x) - y).abs().mean().backward()
        adam.step()
    return generator.eval().requires_grad_(requires_grad=False)


@cache
def both() -> dict[Direction, Generator]:
    """Each makes of the one what the other is; learnt once in a process."""
    return {"to-reference": learnt(STAIN, REFERENCE, 0), "from-reference": learnt(REFERENCE, STAIN, 1)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Checkpoints of two generators that know both; plain norms, a ReLU after each addition."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for direction, generator in both().items():
        torch.save(generator.state_dict(), folder / f"{direction}.pth")
    return {direction: folder / f"{direction}.pth" for direction in DIRECTIONS}


@pytest.fixture(scope="module")
def onnx_pair(pair: Pair) -> Pair:
    """The same as ONNX, which is stored much faster."""
    files: Pair = {}
    for direction, file in pair.items():
        files[direction] = file.with_suffix(".onnx")
        onnx.save(to_onnx(generator_from(RECIPE, torch.load(file, weights_only=True), "it")), files[direction])
    return files


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of the stain."""
    folder = tmp_path_factory.mktemp("tiles")
    for seed, picture in enumerate(PICTURES):
        (folder / f"tile_{seed}.png").write_bytes(encode(picture))
    return folder
