"""The generators of the experiment: pairs trained on phantoms, at the um/px of its tissue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augengine.weights.cards import Direction
from augengine_train.experiments.phantom_pair import find_phantom_pair
from augengine_train.experiments.table1.plan import Plan


def digest_generators(plan: Plan, weights: Path) -> dict[str, Mapping[Direction, str]]:
    """The digests of each stain's pair in a folder, which decide the experiment's numbers as much as its plan does.

    The package's own pairs, which know real tissue, are none of the experiment's.

    Raises:
        WeightsError: The folder lacks a pair.
        SpecError: A pair was trained at other um/px than the plan's, or a stain is a reference stain.
    """
    return {stain: find_phantom_pair(stain, plan.mpp, weights).digests for stain in plan.stains}
