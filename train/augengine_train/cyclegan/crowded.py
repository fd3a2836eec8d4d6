"""Whether crowded markers survive the way there and back: what a pair keeps where glomeruli are full of markers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from augengine.measures import run_cycles, to_rgb
from augengine.pictures.markers import MarkerRule, derive_threshold, dice
from augengine.stains import Stain
from augengine_train.phantom import Field
from augengine_train.validate.tiles import as_translate, to_input

CROWDED = 2.0
"""Least correlation with glomeruli of the fields that are looked at."""


def crowded_dice(
    to_reference: nn.Module, from_reference: nn.Module, fields: Sequence[Field], stain: Stain
) -> float | None:
    """Dice of the markers of b and of b' without noise, within the glomeruli of crowded fields.

    Args:
        to_reference, from_reference: The generators; on the CPU in float32.
        fields: Fields of the stain that they were not trained on. The threshold is derived from all of them.
        stain: Its vectors.

    Returns:
        None where no field is crowded, or no marker lies in a glomerulus.
    """
    rule = MarkerRule(stain=stain, threshold=derive_threshold([field.image for field in fields], stain))
    crowded = [field for field in fields if field.spec.correlation.glomeruli >= CROWDED]
    inputs = [to_input(field.image) for field in crowded]
    keys = [f"field-{number}" for number in range(len(crowded))]
    cycles = run_cycles(keys, inputs, as_translate(to_reference), as_translate(from_reference))
    within = [field.glomeruli > 0 for field in crowded]
    before = [rule.mask(field.image) & inside for field, inside in zip(crowded, within, strict=True)]
    after = [rule.mask(to_rgb(cycle.back)) & inside for cycle, inside in zip(cycles, within, strict=True)]
    return dice(before, after)
