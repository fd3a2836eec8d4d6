"""The verdict that `augment` and `probe` would give, for generators that are torch modules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from augengine.compiling.tissue_tiles import why_left_out
from augengine.measures import run_cycles
from augengine.measures.pair_verdict import CANDIDATES, MAX_TILES, PairVerdict, judge_pair
from augengine.measures.tile_numbers import evenly_marked, number_tiles
from augengine.measures.verdict import DEFAULT_RULE
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerRule, derive_threshold
from augengine.stains import Stain
from augengine_train.validate.tiles import SIDE, as_translate, cut_tiles, to_input


def judge_networks(
    to_reference: nn.Module,
    from_reference: nn.Module,
    images: Sequence[RgbImage],
    stain: Stain,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> PairVerdict:
    """Judge a pair of networks on tissue of its stain.

    Args:
        to_reference, from_reference: On ``device``; float (N, 3, H, W) in [-1, 1].
        images: Pictures of the stain that no training saw, uint8 (H, W, 3).
        stain: The stain and its vectors.
        device: Where the networks are.
        seed: Random seed of the noise.

    Raises:
        SourceError: No pictures, or too small ones.
        CheckpointError: Output that is not finite.
    """
    there, back = (as_translate(network, device) for network in (to_reference, from_reference))
    cut = cut_tiles(images, side=SIDE, count=CANDIDATES)
    tiles = [tile for tile in cut if not why_left_out(tile)] or cut
    markers = MarkerRule(stain=stain, threshold=derive_threshold(tiles, stain))
    shown = [tiles[i] for i in evenly_marked(tiles, markers, MAX_TILES)]
    keys = [f"tile-{number}" for number in range(len(shown))]
    cycles = run_cycles(keys, [to_input(tile) for tile in shown], there, back)
    return judge_pair(
        number_tiles(shown, cycles, back, markers, DEFAULT_RULE, sigmas=(stain.usual_eps, 0.1), seed=seed)
    )
