"""What a search found: the eps with the best validation, and whether to take it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNAUGMENTED = 0.0
"""Stands for no augmentation among the cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the trainings say.

    Attributes:
        stain: Its name.
        f1: eps -> F1 of each repetition; 0 stands for no augmentation.
        tiles: Keys that were trained on: leave them out of later experiments.
        realistic_eps: The stain's; None if nobody measured it.
    """

    stain: str
    f1: Mapping[float, tuple[float, ...]]
    tiles: tuple[str, ...]
    realistic_eps: float | None = None

    @property
    def best(self) -> float:
        """The eps with the highest mean; the smaller of equals."""
        return max((eps for eps in self.f1 if eps != UNAUGMENTED), key=lambda eps: (self.mean(eps), -eps))

    @property
    def recommended(self) -> float | None:
        """The best eps, or None where it is no better than no augmentation."""
        return self.best if self.mean(self.best) > self.mean(UNAUGMENTED) else None

    def mean(self, eps: float) -> float:
        """Mean F1 over the repetitions."""
        return statistics.fmean(self.f1[eps])

    def deviation(self, eps: float) -> float:
        """Standard deviation over the repetitions; 0 for a single one."""
        return statistics.stdev(self.f1[eps]) if len(self.f1[eps]) > 1 else 0.0

    def doubts(self) -> list[str]:
        """Why not to take the best eps, or not blindly, a line each."""
        lines = []
        if self.recommended is None:
            lines.append(
                f"no eps is recommended: the best, {self.best:g}, has a mean F1 of {self.mean(self.best):.4f}, "
                f"no augmentation has {self.mean(UNAUGMENTED):.4f}"
            )
        if self.realistic_eps is not None and self.best > self.realistic_eps:
            lines.append(f"eps {self.best:g} is above {self.realistic_eps:g}, where {self.stain} stops looking real")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "stain": self.stain,
            "best_eps": self.best,
            "recommended_eps": self.recommended,
            "doubts": self.doubts(),
            "measure": "validation F1 by pixel of the best model",
            "f1": {f"{eps:g}": list(values) for eps, values in self.f1.items()},
            "mean": {f"{eps:g}": self.mean(eps) for eps in self.f1},
            "deviation": {f"{eps:g}": self.deviation(eps) for eps in self.f1},
            "tiles": list(self.tiles),
        }
