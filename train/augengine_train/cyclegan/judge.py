"""Judges a training by its held-out tissue: the numbers, a score that picks the best checkpoint, and a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from augengine.errors import SourceError
from augengine.json_values import to_json
from augengine.measures.verdict import DEFAULT_RULE, Bounds
from augengine.pictures.markers import derive_threshold
from augengine.stains import Stain
from augengine_train.cyclegan.trainer import Judgement
from augengine_train.data import Domain
from augengine_train.validate import Validation, measure
from augengine_train.validate.grid import sample_grid

CRITERION = "errors, markers, response, tissue"
"""Name of the formula of `score`; another formula needs another name."""

_SIGMAS = (0.05, 0.2)
_TILES = 4
_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutJudge:
    """Judges both generators on a few held-out tiles of each stain.

    Attributes:
        reference, stain: The domains; both hold something out.
        vectors: The stain and its vectors.
        threshold: Chromogen concentration of a marker: one for a whole training, so that its numbers compare.
        seed: Random seed of the noise.
        features: A feature network for KID, on the generators' device; None leaves it out.
    """

    reference: Domain
    stain: Domain
    vectors: Stain
    threshold: float
    seed: int = 0
    features: nn.Module | None = None

    def __call__(self, to_reference: nn.Module, from_reference: nn.Module, step: int) -> Judgement:  # noqa: ARG002
        """What the generators do now; see `augengine_train.cyclegan.trainer.Judge`."""
        device = next((parameter.device for parameter in to_reference.parameters()), torch.device("cpu"))
        a, b = self.reference.held_out, self.stain.held_out
        found = measure(
            to_reference,
            from_reference,
            a,
            b,
            self.vectors,
            sigmas=_SIGMAS,
            seed=self.seed,
            device=device,
            side=_SIDE,
            tiles=_TILES,
            threshold=self.threshold,
            features=self.features,
        )
        grid = sample_grid(to_reference, from_reference, a, b, device=device, rows=_TILES, side=_SIDE)
        return Judgement(score=score(found), numbers=to_json(found), grid_hwc=grid, criterion=CRITERION)


def held_out_judge(
    reference: Domain, stain: Domain, vectors: Stain, *, seed: int = 0, features: nn.Module | None = None
) -> HeldOutJudge:
    """A judge whose marker threshold is derived from the pictures that are trained on.

    Raises:
        SourceError: A domain holds nothing out.
    """
    for domain in (reference, stain):
        if not domain.held_out:
            raise SourceError(f"nothing of {domain.name} is held out", hint="--holdout 0.2 holds a strip out")
    named = replace(vectors, reference=reference.name)
    threshold = derive_threshold(stain.images, named)
    return HeldOutJudge(
        reference=reference, stain=stain, vectors=named, threshold=threshold, seed=seed, features=features
    )


def score(found: Validation) -> float:
    """Lower is better: both cycles' L1, and what is lacking in markers, in response and in tissue.

    The latter are half of what the reconstructed markers lack to a Dice of 1, a quarter of how far two draws agree
    at the strongest noise, and what the counterstain's structure lacks to its bound at `DEFAULT_RULE.stable_at`.
    The cycle error alone hardly sees markers, which are a few percent of the pixels; Dice alone would not see tissue;
    and a pair that gives the same markers whatever the noise augments nothing.
    """
    errors = found.cycle_reference.l1 + found.cycle_stain.l1 + _structure_lacking(found)
    if found.marker_dice is None:
        return errors
    return errors + 0.5 * (1 - found.marker_dice) + 0.25 * _agreement_at_most_noise(found)


def _structure_lacking(found: Validation) -> float:
    """0 within the bound, and where structure was not measured at that sigma."""
    left = dict(zip(found.sigmas, found.structure, strict=False)).get(DEFAULT_RULE.stable_at, 1.0)
    return max(0.0, Bounds().structure - left)


def _agreement_at_most_noise(found: Validation) -> float:
    """1, the worst, where noise was not tried or left no marker."""
    strongest = found.agreement[-1] if found.agreement else None  # sigmas rise
    return 1.0 if strongest is None else strongest
