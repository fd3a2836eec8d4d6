"""Which generators serve a source: the sample set has a pair of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from augengine.sources import SampleSet, Source
from augengine.sources.sample_set import NOTE
from augengine.stains import Stain
from augengine.weights.cards import WeightsPair, find_weights
from augengine.weights.home import reference_of, weight_roots


def generators_for(
    stain: Stain, source: Source, weights: Path | None, note: Callable[[str], object] = lambda _: None
) -> WeightsPair:
    """The pair that translates a stain's images.

    Args:
        stain: Their stain.
        source: Where they come from.
        weights: Folder that the user names; searched alone.
        note: Told in a line that the sample set is used.

    Raises:
        SpecError: A reference stain.
        WeightsError: None found, or the one found is incomplete, damaged or mislabelled.
    """
    on_sample_set = isinstance(source, SampleSet)
    if on_sample_set:
        note(NOTE)
    return find_weights(reference_of(stain), stain.name, weight_roots(weights, sample_set=on_sample_set))
