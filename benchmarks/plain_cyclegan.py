"""A CycleGAN's step as one writes it first: one call a network, nothing batched, nothing mixed.

What the trainer's step is compared with, in tests for its numbers and in `benchmarks.train_step` for its speed.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from augengine_train.cyclegan.networks import DiscriminatorPair, GeneratorPair
from augengine_train.cyclegan.recipe import TrainingRecipe


class PlainCycleGan:
    """Both steps over given networks, with an image pool that never swaps.

    Args:
        recipe: Its learning rate, betas and weights.
        generators: Trained in place.
        discriminators: Likewise.
    """

    def __init__(self, recipe: TrainingRecipe, generators: GeneratorPair, discriminators: DiscriminatorPair) -> None:
        self.to_reference, self.from_reference = generators.to_reference, generators.from_reference
        self.judges = discriminators
        betas = (recipe.beta1, recipe.beta2)
        both = itertools.chain(self.to_reference.parameters(), self.from_reference.parameters())
        self.generator_adam = torch.optim.Adam(both, recipe.lr, betas)
        self.discriminator_adam = torch.optim.Adam(discriminators.parameters(), recipe.lr, betas)
        self.cycle, self.identity = recipe.lambda_cycle, recipe.lambda_cycle * recipe.lambda_identity

    def step(self, reference: Tensor, stain: Tensor) -> None:
        """Train once on float32 (N, 3, H, W) in [-1, 1] of each stain."""
        for parameter in self.judges.parameters():
            parameter.requires_grad = False
        fake_stain, fake_reference = self.from_reference(reference), self.to_reference(stain)
        loss = _score(self.judges.stain, fake_stain, 1.0) + _score(self.judges.reference, fake_reference, 1.0)
        loss = loss + self.cycle * functional.l1_loss(self.to_reference(fake_stain), reference)
        loss = loss + self.cycle * functional.l1_loss(self.from_reference(fake_reference), stain)
        loss = loss + self.identity * functional.l1_loss(self.to_reference(reference), reference)
        loss = loss + self.identity * functional.l1_loss(self.from_reference(stain), stain)
        _descend(loss, self.generator_adam)
        for parameter in self.judges.parameters():
            parameter.requires_grad = True
        pairs = ((self.judges.reference, reference, fake_reference), (self.judges.stain, stain, fake_stain))
        losses = [0.5 * (_score(judge, real, 1.0) + _score(judge, fake.detach(), 0.0)) for judge, real, fake in pairs]
        _descend(losses[0] + losses[1], self.discriminator_adam)


def _score(judge: nn.Module, images: Tensor, target: float) -> Tensor:
    (judged,) = judge(images)
    return functional.mse_loss(judged, torch.full_like(judged, target))


def _descend(loss: Tensor, adam: torch.optim.Optimizer) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()
