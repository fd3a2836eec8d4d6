"""Random unpaired crops of two domains; every item is a pure function of the seed and its number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augengine.chain.translate import normalise
from augengine.draws.philox import derive_key, philox4x32, uniform
from augengine.errors import SourceError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.markers import MarkerMask, derive_threshold, marker_mask
from augengine.stains import Stain
from augengine.tiling.patients import check_one_split
from augengine_train.data.domain import Domain, Windows, names_of

MIN_CROPS = 4
"""The pictures of a domain must hold the area of this many crops: with fewer, a discriminator learns them by heart."""

_BLOCK = 8  # px; markers are counted in blocks of this side
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerPreference:
    """How often a crop of the stain is placed on a marker; useful where markers are rare.

    Attributes:
        stain: The stain's vectors.
        probability: Share of the crops that are centred near a marker.
        threshold: Chromogen concentration of a marker; None derives it from the pictures, see `derive_threshold`.
        masks: Whether the items say where the markers are.
    """

    stain: Stain
    probability: float
    threshold: float | None = None
    masks: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise SpecError(f"the share of crops with markers must be in [0, 1], got {self.probability}")


class UnpairedCrops(Dataset[dict[str, Tensor]]):
    """``steps * batch`` pairs of crops that have nothing to do with each other.

    Item i is a pure function of (seed, i), so that an exact resume starts at the next item, whatever came before.
    Every position of every picture is equally likely. With ``augment`` each crop is mirrored or not and turned by
    quarter turns, all eight ways equally likely.

    Args:
        reference: Domain A.
        stain: Domain B.
        crop: Side in pixels; divides by 4.
        seed: Root of every draw.
        steps, batch: Their product is the length.
        augment: Flips and quarter turns.
        markers: Prefers crops of the stain that show markers.

    Raises:
        SourceError: Too few pictures, pictures smaller than the crop, or a patient who is in two splits.
        SpecError: Values out of range.
    """

    def __init__(
        self,
        reference: Domain,
        stain: Domain,
        *,
        crop: int,
        seed: int,
        steps: int,
        batch: int = 1,
        augment: bool = True,
        markers: MarkerPreference | None = None,
    ) -> None:
        if crop < 4 or crop % 4:
            raise SpecError(f"the crop's side must divide by 4, got {crop}", hint=f"take {max(4, crop - crop % 4)}")
        if steps < 1 or batch < 1:
            raise SpecError(f"steps and batch must be at least 1, got {steps} and {batch}")
        check_patients(reference, stain)
        self._length = steps * batch
        self._sides: dict[str, _Side] = {
            "reference": _Side(reference, crop, derive_key(seed, "crops of the reference"), augment, None),
            "stain": _Side(stain, crop, derive_key(seed, "crops of the stain"), augment, markers),
        }

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``reference`` and ``stain``: float32 (3, crop, crop) in [-1, 1] each.

        If the markers have masks also ``markers``: float32 (1, crop, crop), 1 on a marker, 0 elsewhere.
        """
        if not 0 <= index < self._length:
            raise IndexError(f"item {index} of {self._length}")
        crops = {role: side.crop(index) for role, side in self._sides.items()}
        items = {role: torch.from_numpy(normalise([crop])[0]) for role, crop in crops.items()}
        mask = self._sides["stain"].mask(crops["stain"])
        return items if mask is None else items | {"markers": torch.from_numpy(mask[None].astype(np.float32))}


def check_patients(*domains: Domain) -> None:
    """Refuse a patient who is trained on in one domain and measured on in another.

    Raises:
        SourceError: It names the patient and both splits.
    """
    check_one_split(pair for domain in domains for pair in domain.patients.items())


class _Side:
    """Draws crops of one domain."""

    def __init__(
        self, domain: Domain, side: int, philox_key: int, augment: bool, markers: MarkerPreference | None
    ) -> None:
        _check_sizes(domain, side)
        self._images, self._sizes, self._side, self._key = domain.images, domain.sizes, side, philox_key
        self._cumulated = list(accumulate((h - side + 1) * (w - side + 1) for h, w in self._sizes))
        self._augment = augment
        wanted = markers is not None and (markers.probability > 0 or markers.masks)
        self._masks = markers is not None and markers.masks
        self._markers = _MarkerBlocks(domain.images, markers) if markers is not None and wanted else None

    def crop(self, index: int) -> RgbImage:
        """uint8 (side, side, 3): the crop of item ``index``."""
        picture, top, left, flip, turns, on_marker, *more = _uniforms(self._key, index)
        which = bisect_left(self._cumulated, picture * self._cumulated[-1])
        corner = self._corner(which, top, left)
        if self._markers is not None and on_marker <= self._markers.probability:
            which, corner = self._on_marker(more) or (which, corner)
        y, x = corner
        window = self._images[which][y : y + self._side, x : x + self._side]
        return _turned(window, flip <= 0.5, _ordinal(turns, 4)) if self._augment else window

    def mask(self, crop: RgbImage) -> MarkerMask | None:
        """bool (side, side): where a crop shows markers; None if nobody asked."""
        return self._markers.mask(crop) if self._markers is not None and self._masks else None

    def _corner(self, which: int, top: float, left: float) -> tuple[int, int]:
        height, width = self._sizes[which]
        return _ordinal(top, height - self._side + 1), _ordinal(left, width - self._side + 1)

    def _on_marker(self, draws: Sequence[float]) -> tuple[int, tuple[int, int]] | None:
        """Picture and corner of a crop with a marker anywhere in it; None if no picture tried has one."""
        assert self._markers is not None
        place, down, right, *pictures = draws
        for draw in pictures:
            which = bisect_left(self._cumulated, draw * self._cumulated[-1])
            if (found := self._markers.draw(which, place)) is not None:
                # The marker comes to lie at (down, right) within the crop, except near the picture's edges.
                y, x = found[0] - _ordinal(down, self._side), found[1] - _ordinal(right, self._side)
                height, width = self._sizes[which]
                return which, (min(max(y, 0), height - self._side), min(max(x, 0), width - self._side))
        return None


class _MarkerBlocks:
    """Marker pixels of each picture, counted in blocks when the picture is first drawn from."""

    def __init__(self, images: Sequence[RgbImage], markers: MarkerPreference) -> None:
        self.probability = markers.probability
        self._images, self._stain = images, markers.stain
        self._threshold = derive_threshold(images, self._stain) if markers.threshold is None else markers.threshold
        self._counts: dict[int, tuple[NDArray[np.int64], int]] = {}

    def draw(self, which: int, place: float) -> tuple[int, int] | None:
        """(y, x) of a block's centre, drawn by its marker pixels; None if the picture has none."""
        if which not in self._counts:
            self._counts[which] = self._count(self._images[which])
        cumulated, columns = self._counts[which]
        if not cumulated[-1]:
            return None
        row, column = divmod(int(np.searchsorted(cumulated, place * cumulated[-1])), columns)
        return row * _BLOCK + _BLOCK // 2, column * _BLOCK + _BLOCK // 2

    def mask(self, image: RgbImage) -> MarkerMask:
        """bool (H, W): where a picture or a crop shows markers."""
        return marker_mask(image, self._stain, self._threshold)

    def _count(self, image: RgbImage) -> tuple[NDArray[np.int64], int]:
        mask = self.mask(image)
        rows, columns = -(-mask.shape[0] // _BLOCK), -(-mask.shape[1] // _BLOCK)
        padded = np.zeros((rows * _BLOCK, columns * _BLOCK), dtype=np.int64)
        padded[: mask.shape[0], : mask.shape[1]] = mask
        return padded.reshape(rows, _BLOCK, columns, _BLOCK).sum(axis=(1, 3)).ravel().cumsum(), columns


def _uniforms(philox_key: int, index: int) -> list[float]:
    """Sixteen uniforms in (0, 1] of item ``index``."""
    words = (np.arange(4), np.array([index & 0xFFFFFFFF]), np.array([index >> 32]), np.array([0]))
    c0, c1, c2, c3 = (word.astype(np.uint32) for word in words)
    drawn = philox4x32((c0, c1, c2, c3), philox_key)
    return [float(u) for word in drawn for u in uniform(word)]


def _ordinal(u: float, count: int) -> int:
    """0 ... count - 1, equally likely for a uniform on (0, 1]."""
    return min(int((1 - u) * count), count - 1)


def _turned(window: RgbImage, flip: bool, turns: int) -> RgbImage:
    return np.rot90(window[:, ::-1] if flip else window, turns)


def _check_sizes(domain: Domain, side: int) -> None:
    named = zip(names_of(domain.images), domain.sizes, strict=True)
    small = [(name, size) for name, size in named if min(size) < side]
    if small:
        some = ", ".join(f"{name} with {w} x {h}" for name, (h, w) in small[:_NAMED])
        raise SourceError(
            f"{len(small)} of {len(domain.sizes)} pictures of {domain.name} are smaller than the crop of {side} px: "
            f"{some}",
            hint="take a smaller crop or a finer um/px, hold less out, or remove them",
        )
    if (area := sum(h * w for h, w in domain.sizes)) < MIN_CROPS * side * side:
        raise SourceError(
            f"too few pictures: the {len(domain.sizes)} of {domain.name} hold {area / side**2:.1f} crops of {side} px, "
            f"at least {MIN_CROPS} are needed",
            hint="give more pictures, or take a smaller crop",
        )


def summary(domain: Domain) -> Mapping[str, object]:
    """What a training's card says of a domain; of pictures from files also which they are, trained on and held out."""
    told = {
        "name": domain.name,
        "pictures": len(domain.images),
        "held_out": len(domain.held_out),
        "mpp": domain.mpp,
        "pixels": sum(h * w for h, w in domain.sizes),
    }
    splits = {"digest": domain.images, "held_out_digest": domain.held_out}
    return told | {name: split.digest for name, split in splits.items() if isinstance(split, Windows)}
