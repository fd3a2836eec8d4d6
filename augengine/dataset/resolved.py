"""A request that is known to make sense, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augengine.compiling import Tiles
from augengine.dataset.request import AugmentRequest
from augengine.engines.base import Backend
from augengine.jobs import Job
from augengine.json_values import to_json
from augengine.listing import Listing, describe
from augengine.measures.pair_verdict import PairVerdict
from augengine.sources import Source
from augengine.spec import AugmentSpec, round_side
from augengine.stains import Stain
from augengine.weights.cards import WeightsPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A request, resolved and checked; nothing is written yet. A run of generators is a `PairRun`."""

    request: AugmentRequest
    stain: Stain
    spec: AugmentSpec
    source: Source
    listing: Listing
    jobs: tuple[Job, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the source, warnings first."""
        return (*self.listing.warnings, *describe(self.listing, self.spec.limit))

    @property
    def on_gpu(self) -> bool:
        """Whether samples are made on a GPU."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRun(Run):
    """A run of a pair of generators.

    Attributes:
        weights: The pair.
        backend: Runs it.
        verdict: What was found of the pair on this source; None if nobody looked yet.
    """

    weights: WeightsPair
    backend: Backend
    verdict: PairVerdict | None = None

    @property
    def tiles(self) -> Tiles:
        """Tiles of the source; those that the pair was judged on come first."""
        return Tiles(
            source=self.source,
            listing=self.listing,
            stain=self.stain,
            known=self.weights.of_sample_set,
            preferred=() if self.verdict is None else self.verdict.keys,
        )

    @property
    def verdict_json(self) -> dict[str, Any]:
        """The verdict as plain json values; empty if nobody looked yet."""
        return {} if self.verdict is None else dict(to_json(self.verdict))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the engines."""
        height, width = self.listing.largest
        return round_side(height, self.weights.multiple), round_side(width, self.weights.multiple)

    @property
    def on_gpu(self) -> bool:
        """Whether samples are made on a GPU."""
        return self.backend.device_class().startswith("cuda")
