"""The generators of the experiment: pairs trained on phantoms, at the um/px of its tissue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augengine.errors import SpecError, WeightsError
from augengine.stains import find_stain
from augengine.weights.cards import Direction, WeightsPair, mpp_fits
from augengine_train.cyclegan.finish import WEIGHTS
from augengine_train.experiments.table1.plan import Plan
from augengine_train.unet.online import find_pair


def digest_generators(plan: Plan, weights: Path) -> dict[str, Mapping[Direction, str]]:
    """The digests of each stain's pair in a folder, which decide the experiment's numbers as much as its plan does.

    The package's own pairs, which know real tissue, are none of the experiment's.

    Raises:
        WeightsError: The folder lacks a pair.
        SpecError: A pair was trained at other um/px than the plan's, or a stain is a reference stain.
    """
    return {stain: find_generators(stain, plan.mpp, weights).digests for stain in plan.stains}


def find_generators(stain_name: str, mpp: float, weights: Path) -> WeightsPair:
    """A stain's pair in a folder, for drawn tissue of some um/px; errors as in `digest_generators`."""
    stain = find_stain(stain_name)
    try:
        pair = find_pair(stain, [weights])
    except WeightsError as error:
        is_there = (weights / f"{stain.reference}-{stain.name}").is_dir()  # then what is wrong with it has its own hint
        raise WeightsError(error.message, hint=error.hint if is_there else _advice(weights, mpp)) from error
    if not mpp_fits(mpp, pair.mpp):
        raise SpecError(
            f"{weights} holds a {stain.name} pair trained at {pair.mpp:g} um/px, the tissue has {mpp:g}",
            hint=_advice(weights, mpp),
        )
    return pair


def _advice(weights: Path, mpp: float) -> str:
    where = f"--out {weights.parent}" if weights.name == WEIGHTS else f"--out {weights}-run --weights {weights}"
    return f'train on phantoms: make phantom-weights PHANTOM_OPTIONS="--mpp {mpp:g} {where}"'
