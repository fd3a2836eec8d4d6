"""F1, precision and recall, by pixel and by object, from counts that add up over a test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from augengine_train.unet.foreground import Foreground

MIN_IOU = 0.5
"""An object is found if it overlaps with a true one by this intersection over union."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Hits, false alarms and misses; of pixels or of objects.

    0 / 0 has a value: where there is nothing to find and nothing was found, all three measures are 1; where one of
    both is empty, what cannot be divided is 0.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """Share of what was found that is true."""
        return self._share(self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of what is true that was found."""
        return self._share(self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of both: the Dice of all pixels together, or of all objects."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else 1.0

    def _share(self, of: int) -> float:
        if of:
            return self.true_positives / of
        return 1.0 if self.false_positives + self.false_negatives == 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Measures and counts, as plain json values."""
        return {
            "f1": self.f1,
            "precision": self.precision,
            "recall": self.recall,
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
        }


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts of pixels and of objects over some tiles."""

    pixels: Counts = Counts()
    objects: Counts = Counts()

    def __add__(self, other: Measures) -> Measures:
        return Measures(self.pixels + other.pixels, self.objects + other.objects)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"pixels": self.pixels.to_json(), "objects": self.objects.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measures:
        """The inverse of `to_json`."""
        return cls(*(_counts(data[name]) for name in ("pixels", "objects")))


def _counts(data: Mapping[str, Any]) -> Counts:
    return Counts(*(int(data[f"{name}s"]) for name in ("true_positive", "false_positive", "false_negative")))


def compare(found: Foreground, truth: Foreground) -> Measures:
    """A prediction against the truth, bool (H, W) both."""
    hits = int((found & truth).sum())
    pixels = Counts(hits, int(found.sum()) - hits, int(truth.sum()) - hits)
    return Measures(pixels, _count_objects(found, truth))


def _count_objects(found: Foreground, truth: Foreground) -> Counts:
    """Connected components (8 neighbours), each matched at most once, the largest overlap first."""
    a, b = _components(found), _components(truth)
    n_found, n_true = int(a.max(initial=0)), int(b.max(initial=0))
    overlap = np.zeros((n_found + 1, n_true + 1), dtype=np.int64)
    np.add.at(overlap, (a.ravel(), b.ravel()), 1)
    union = overlap.sum(axis=1, keepdims=True) + overlap.sum(axis=0, keepdims=True) - overlap
    iou = np.divide(overlap, union, out=np.zeros(overlap.shape), where=union > 0)[1:, 1:]
    hits = 0
    while iou.size and iou.max() >= MIN_IOU:
        row, column = np.unravel_index(int(iou.argmax()), iou.shape)
        hits += 1
        iou[row, :] = iou[:, column] = 0
    return Counts(hits, n_found - hits, n_true - hits)


def _components(mask: Foreground) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = label(mask, connectivity=2).astype(np.int64)  # type: ignore[no-untyped-call]
    return labels
