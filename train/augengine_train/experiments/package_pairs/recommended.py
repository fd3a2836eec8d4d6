"""The eps to recommend for a pair: what its tissue bears and what its markers need, the smaller of the two."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.measures.objects import WELL_MOVED, eps_that_moves
from augengine.measures.verdict import Bounds, EpsChoice, Kept, choose_eps
from augengine_train.validate import Validation


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedEps:
    """Two rules for eps on the same tissue.

    Attributes:
        tissue: The largest eps at which structure and marker area keep their bounds.
        markers: The least eps that moves enough of the small markers; None if no eps that was tried does.
    """

    tissue: EpsChoice
    markers: float | None

    @property
    def eps(self) -> float | None:
        """The smaller one: more noise than the markers need only harms. None where the tissue bears none."""
        known = [eps for eps in (self.tissue.eps, self.markers) if eps is not None]
        return None if self.tissue.eps is None else min(known)

    def sentence(self) -> str:
        """Both rules and the smaller eps, for a card."""
        bears = "none" if self.tissue.eps is None else f"up to {self.tissue.eps:g}"
        needs = "by none that was tried" if self.markers is None else f"from {self.markers:g} on"
        taken = "none" if self.eps is None else f"{self.eps:g}"
        return (
            f"eps: the tissue bears {bears} ({self.tissue.reason}), {WELL_MOVED:.0%} of the small markers are moved "
            f"{needs}; recommended is {taken}"
        )


def recommend(found: Validation) -> RecommendedEps:
    """What a pair's numbers on held-out tissue say of eps."""
    real = max(found.marker_area, 1e-9)
    grid = [
        Kept(sigma=sigma, structure=structure, area=area / real)
        for sigma, structure, area in zip(found.sigmas, found.structure, found.area, strict=True)
    ]
    moved = list(zip(found.sigmas, found.objects, strict=True))
    return RecommendedEps(tissue=choose_eps(grid, Bounds()), markers=eps_that_moves(moved))
