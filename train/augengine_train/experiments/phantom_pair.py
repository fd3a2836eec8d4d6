"""A pair of generators that was trained on drawn tissue, at the um/px of an experiment's own."""

from __future__ import annotations

from pathlib import Path

from augengine.errors import SpecError, WeightsError
from augengine.stains import find_stain
from augengine.weights.cards import WeightsPair, mpp_fits
from augengine_train.cyclegan.finish import WEIGHTS
from augengine_train.unet.online import find_pair


def find_phantom_pair(stain_name: str, mpp: float, weights: Path) -> WeightsPair:
    """A stain's pair in a folder, for drawn tissue of some um/px.

    The package's own pairs, which know real tissue, are looked at only if their folder is named.

    Raises:
        WeightsError: The folder lacks the pair.
        SpecError: It was trained at other um/px, or the stain is a reference stain.
    """
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
