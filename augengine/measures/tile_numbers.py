"""What a pair does to each of some tiles, as numbers that add up over any choice of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.measures.cycles import Cycle, Translate, to_rgb
from augengine.measures.noise import draw
from augengine.measures.objects import MarkerObjects, compare_objects
from augengine.measures.structure import structure_of_each
from augengine.measures.verdict import Evidence, Kept, VerdictRule
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerMask, MarkerRule

Values = NDArray[np.float64]
"""One number per tile, float64 (T,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two masks of each tile: pixels in both, and the sum of the pixels of either, so that Dice is 2 both / sum."""

    both: Values
    total: Values

    def dice(self, chosen: NDArray[np.intp]) -> float | None:
        """Dice over some tiles; None where neither mask has a pixel."""
        total = float(self.total[chosen].sum())
        return 2 * float(self.both[chosen].sum()) / total if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyNumbers:
    """One draw of noise on each tile.

    Attributes:
        marker_px: Marker pixels of b'.
        structure: Structural similarity of the counterstain between b and b', in [-1, 1].
    """

    marker_px: Values
    structure: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class TileNumbers:
    """What a pair does to tiles; every array has one number per tile.

    Attributes:
        marker_px: Marker pixels of b.
        structure: Structural similarity of the counterstain between b and its reconstruction without noise.
        reconstructed: The markers of b and of its reconstruction without noise.
        usual: A draw at the rule's ``stable_at``.
        strong: A draw at the rule's ``responds_at``.
        draws: The markers of two draws there.
        moved: By sigma: small marker objects of the reconstruction that noise keeps, loses and adds, over all tiles.
    """

    marker_px: Values
    structure: Values
    reconstructed: Overlap
    usual: NoisyNumbers
    strong: NoisyNumbers
    draws: Overlap
    moved: dict[float, MarkerObjects]

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return len(self.marker_px)

    def evidence(self, rule: VerdictRule, chosen: NDArray[np.intp] | None = None) -> Evidence:
        """What some of the tiles show together; by default all. A tile may be chosen more than once."""
        taken = np.arange(self.tiles) if chosen is None else chosen
        return Evidence(
            dice=self.reconstructed.dice(taken),
            structure=float(self.structure[taken].mean()),
            usual=self._kept(self.usual, rule.stable_at, taken),
            strong=self._kept(self.strong, rule.responds_at, taken),
            agreement=self.draws.dice(taken),
        )

    def _kept(self, noisy: NoisyNumbers, sigma: float, chosen: NDArray[np.intp]) -> Kept:
        base, px = float(self.structure[chosen].mean()), float(self.marker_px[chosen].sum())
        left = float(noisy.structure[chosen].mean()) / base if base > 0 else 0.0
        return Kept(sigma=sigma, structure=left, area=float(noisy.marker_px[chosen].sum()) / max(px, 1.0))


def number_tiles(
    images: Sequence[RgbImage],
    cycles: Sequence[Cycle],
    back: Translate,
    markers: MarkerRule,
    rule: VerdictRule,
    *,
    sigmas: Sequence[float] = (),
    seed: int = 0,
) -> TileNumbers:
    """Measure a pair on tiles: three passes back for each, and one for each further sigma.

    Args:
        images: The tiles, uint8 (H, W, 3).
        cycles: The same, there and back.
        back: The generator back to the stain.
        markers: What counts as a marker.
        rule: Says at which sigmas the verdict looks.
        sigmas: Standard deviations of noise at which moved objects are counted besides.
        seed: Root of the noise.
    """
    bare = [to_rgb(cycle.back) for cycle in cycles]
    masks, bare_masks = _masks(images, markers), _masks(bare, markers)
    noisy = {
        sigma: [to_rgb(image) for image in draw(cycles, back, sigma=sigma, seed=seed, variant=1)]
        for sigma in sorted({*sigmas, rule.stable_at, rule.responds_at})
    }
    noisy_masks = {sigma: _masks(drawn, markers) for sigma, drawn in noisy.items()}
    again = [to_rgb(image) for image in draw(cycles, back, sigma=rule.responds_at, seed=seed, variant=2)]

    def numbers(sigma: float) -> NoisyNumbers:
        left = structure_of_each(images, noisy[sigma], markers.stain)
        return NoisyNumbers(marker_px=_pixels(noisy_masks[sigma]), structure=np.array(left))

    return TileNumbers(
        marker_px=_pixels(masks),
        structure=np.array(structure_of_each(images, bare, markers.stain)),
        reconstructed=_overlap(masks, bare_masks),
        usual=numbers(rule.stable_at),
        strong=numbers(rule.responds_at),
        draws=_overlap(noisy_masks[rule.responds_at], _masks(again, markers)),
        moved={sigma: compare_objects(bare_masks, found) for sigma, found in noisy_masks.items()},
    )


def _masks(images: Sequence[RgbImage], markers: MarkerRule) -> list[MarkerMask]:
    return [markers.mask(image) for image in images]


def _pixels(masks: Sequence[MarkerMask]) -> Values:
    return np.array([mask.sum() for mask in masks], dtype=np.float64)


def _overlap(first: Sequence[MarkerMask], second: Sequence[MarkerMask]) -> Overlap:
    both = np.array([(a & b).sum() for a, b in zip(first, second, strict=True)], dtype=np.float64)
    return Overlap(both=both, total=_pixels(first) + _pixels(second))


def most_marked(images: Sequence[RgbImage], markers: MarkerRule, count: int) -> list[int]:
    """Which images hold the most marker, at most ``count`` of them, in their own order."""
    return sorted(_descending(_marker_pixels(images, markers))[:count])


def evenly_marked(images: Sequence[RgbImage], markers: MarkerRule, count: int) -> list[int]:
    """Numbers of the images that a pair is judged on, at most ``count``, ascending; see `spread_by_size`."""
    return spread_by_size(_marker_pixels(images, markers), count)


def spread_by_size(sizes: Sequence[int], count: int) -> list[int]:
    """Choose things of all sizes evenly, from the largest down to half of the mean.

    What is smaller than half of the mean is passed over, so that a few large things are found among many specks.
    The rest stands in a row by size. The row is cut into ``count`` equal parts, and the middle of each is taken.

    Args:
        sizes: One for each thing, from 0 on.
        count: How many are wanted. Where too few are large enough, the largest of all are taken.

    Returns:
        At most ``count`` different numbers of things, ascending.
    """
    row = _descending(sizes)
    large = [i for i in row if 2 * sizes[i] * len(row) >= sum(sizes)]
    row = large if len(large) > count else row[:count]
    taken = min(count, len(row))
    return sorted(row[(2 * part + 1) * len(row) // (2 * taken)] for part in range(taken))


def _marker_pixels(images: Sequence[RgbImage], markers: MarkerRule) -> list[int]:
    return [int(markers.mask(image).sum()) for image in images]


def _descending(sizes: Sequence[int]) -> list[int]:
    """Numbers of the sizes, the largest first; equal ones stay in their order."""
    return sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
