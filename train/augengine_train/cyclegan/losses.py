"""The losses of a CycleGAN as functions on tensors: least squares, cycle and identity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from augengine_train.cyclegan.networks import Cycles, Maps

Losses = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Lambdas:
    """Weights of the cycle, the identity and the hiding losses at a step."""

    cycle: float
    identity: float
    hide: float = 0.0


def adversarial(judged: Maps, *, real: bool) -> Tensor:
    """Least squares: the mean squared distance of a discriminator's map from 1 (real) or 0; scales count alike."""
    return torch.stack([(map_ - float(real)).square().mean() for map_ in judged]).mean()


def l1(image: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute difference; each pixel's times its weight, float (N, 1, H, W), if there are weights."""
    if weights is None:
        return functional.l1_loss(image, target)
    return ((image - target).abs() * weights).mean()


def generator_losses(
    cycles: Cycles,
    reference: Tensor,
    stain: Tensor,
    judged_reference: Maps,
    judged_stain: Maps,
    weights: Tensor | None = None,
) -> Losses:
    """Each loss of both generators, not yet weighted.

    Args:
        cycles: What the generators made.
        reference: The real images of the reference stain.
        stain: The real images of the stain.
        judged_reference: What its discriminator makes of ``cycles.fake_reference``.
        judged_stain: The same of ``cycles.fake_stain``.
        weights: What each pixel of the stain's cycle counts, float (N, 1, H, W); alike if None.
    """
    losses = {
        "fool_reference": adversarial(judged_reference, real=True),
        "fool_stain": adversarial(judged_stain, real=True),
        "cycle_reference": l1(cycles.back_reference, reference),
        "cycle_stain": l1(cycles.back_stain, stain, weights),
    }
    if cycles.same_reference is not None and cycles.same_stain is not None:
        losses["identity_reference"] = l1(cycles.same_reference, reference)
        losses["identity_stain"] = l1(cycles.same_stain, stain)
    return losses


def weigh(losses: Losses, lambdas: Lambdas) -> Tensor:
    """The one number that the generators descend."""
    weights = {"fool": 1.0, "cycle": lambdas.cycle, "identity": lambdas.identity, "hide": lambdas.hide}
    terms = [weights[name.partition("_")[0]] * loss for name, loss in losses.items()]
    return sum(terms[1:], start=terms[0])


def discriminator_loss(judged_real: Maps, judged_fake: Maps) -> Tensor:
    """Half the sum of both errors: a discriminator learns half as fast as the generators."""
    return 0.5 * (adversarial(judged_real, real=True) + adversarial(judged_fake, real=False))
