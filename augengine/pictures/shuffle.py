"""Markers moved to other places in the tissue by colour deconvolution, without any generator.

This is the rival of the method: it needs no training, and it moves every marker that it finds. What lay under a marker
it cannot know: it fills the place with what lies around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.draws.moves import Moves
from augengine.pictures.arrays import RgbImage
from augengine.pictures.chromogen import Amounts, add_stain
from augengine.pictures.colour import concentrations, tissue_mask
from augengine.pictures.markers import MarkerMask, MarkerRule
from augengine.pictures.pixels import fill_in
from augengine.stains import Stain

_EDGE = 2
"""Pixels around a marker that move with it: its soft border."""

_MIN_ON_TISSUE = 0.9
"""Share of a marker's pixels that must lie on tissue, unless fewer did where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One marker, taken out of a picture.

    Attributes:
        rows, columns: (P,) its pixels, from its own middle.
        chromogen, residual: (P,) what it has of both beyond the tissue around it.
        place: Row and column of its middle.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    chromogen: NDArray[np.float64]
    residual: NDArray[np.float64]
    place: tuple[int, int]


class MarkedPicture:
    """A picture parted into its markers and the rest.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        rule: What counts as a marker.

    Attributes:
        erased: The picture without its markers, uint8 (H, W, 3).
        markers: Its markers, the largest first.
    """

    def __init__(self, rgb_hwc: RgbImage, rule: MarkerRule) -> None:
        self._stain, self._source, self._tissue = rule.stain, rgb_hwc, tissue_mask(rgb_hwc)
        labels = _label(rule.mask(rgb_hwc))
        amounts = concentrations(rgb_hwc, rule.stain)[..., 1:]
        plain = amounts[self._tissue & (labels == 0)]
        usual = np.median(plain, axis=0) if len(plain) else np.zeros(2)
        chromogen, residual = np.moveaxis(amounts - usual, -1, 0)
        self.erased = _erase(rgb_hwc, labels > 0, rule.stain, float(usual[0]))
        self.markers = sorted(_take(labels, np.maximum(chromogen, 0), residual), key=_size, reverse=True)

    def scaled(self, factor: float) -> RgbImage:
        """The picture with ``factor`` times the chromogen of its markers, uint8 (H, W, 3).

        Chromogen that is no marker's stays. 1 is the picture as it is; 0 takes the markers out, and fills in what lies
        under them.
        """
        if factor == 0:
            return self.erased
        chromogen, residual = (np.zeros(self._tissue.shape) for _ in range(2))
        for marker in self.markers:
            place = _lie(marker, *marker.place, 0)
            chromogen[place], residual[place] = (factor - 1) * marker.chromogen, (factor - 1) * marker.residual
        return add_stain(self._source, self._stain, chromogen=chromogen, residual=residual)

    def shuffled(self, moves: Moves) -> RgbImage:
        """The picture with its markers at other places, uint8 (H, W, 3).

        The largest are laid down first. One that finds no free place in the tissue stays where it was.

        Args:
            moves: As many draws as there are markers, or more.
        """
        taken, stays = (np.zeros(self._tissue.shape, dtype=np.bool_) for _ in range(2))
        chromogen, residual = (np.zeros(self._tissue.shape) for _ in range(2))
        for marker, tries in zip(self.markers, self._tries(moves), strict=False):
            if (found := self._free_place(marker, tries, taken)) is None:
                stays[_lie(marker, *marker.place, 0)] = True
            else:
                taken[found] = True
                chromogen[found], residual[found] = marker.chromogen, marker.residual
        made = add_stain(self.erased, self._stain, chromogen=chromogen, residual=residual)
        return np.where((stays & ~taken)[..., None], self._source, made)

    def _tries(self, moves: Moves) -> Iterator[Iterable[tuple[int, int, int]]]:
        """For each marker rows, columns and turns to try, in order; none where there is no tissue."""
        rows, columns = np.nonzero(self._tissue)
        for places, turns in zip(moves.places, moves.turns, strict=True):
            picked = (places * len(rows)).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
            yield zip(rows[picked], columns[picked], turns, strict=False)

    def _free_place(self, marker: Marker, tries: Iterable[tuple[int, int, int]], taken: MarkerMask) -> Pixels | None:
        """The first place that is within the picture, free and on tissue; None if no try has one."""
        own = _lie(marker, *marker.place, 0)
        wanted = min(_MIN_ON_TISSUE, float(self._tissue[own].mean()))
        height, width = taken.shape
        for row, column, turn in tries:
            y, x = _lie(marker, row, column, turn)
            if y.min() < 0 or x.min() < 0 or y.max() >= height or x.max() >= width:
                continue
            if not taken[y, x].any() and self._tissue[y, x].mean() >= wanted:
                return y, x
        return None


Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]


def _lie(marker: Marker, row: int, column: int, turn: int) -> Pixels:
    """The pixels of a marker whose middle lies there, after so many quarter turns; from 4 on it is mirrored first."""
    y, x = marker.rows, -marker.columns if turn >= 4 else marker.columns
    for _ in range(turn % 4):
        y, x = x, -y
    return y + row, x + column


def _label(mask: MarkerMask) -> NDArray[np.int64]:
    """Numbers of the markers with their soft borders; neighbours stay apart."""
    from skimage.measure import label  # 0.3 s, and few commands look at markers
    from skimage.segmentation import expand_labels

    found: NDArray[np.int64] = expand_labels(label(mask), distance=_EDGE)  # type: ignore[no-untyped-call]
    return found


def _erase(rgb_hwc: RgbImage, where: MarkerMask, stain: Stain, usual: float) -> RgbImage:
    """The picture filled in from around its markers; what chromogen that brings along is brought down to the usual."""
    filled = fill_in(rgb_hwc, where)
    too_much = np.maximum(concentrations(filled, stain)[..., 1] - usual, 0)
    return add_stain(filled, stain, chromogen=np.where(where, -too_much, 0.0))


def _take(labels: NDArray[np.int64], chromogen: Amounts, residual: Amounts) -> Iterator[Marker]:
    from skimage.measure import regionprops  # deferred as above

    for each in regionprops(labels):  # type: ignore[no-untyped-call]
        y, x = each.coords.T
        row, column = round(y.mean()), round(x.mean())
        yield Marker(
            rows=y - row, columns=x - column, chromogen=chromogen[y, x], residual=residual[y, x], place=(row, column)
        )


def _size(marker: Marker) -> int:
    return len(marker.rows)
