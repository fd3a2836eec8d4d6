"""Learning rate and loss weights as pure functions of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from augengine.errors import SpecError
from augengine_train.cyclegan.losses import Lambdas
from augengine_train.cyclegan.recipe import TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A recipe's epochs laid over a number of steps; a shorter training has shorter epochs, not fewer.

    Attributes:
        steps: Steps of the whole training.
        recipe: Says the epochs and the weights.
    """

    steps: int
    recipe: TrainingRecipe

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SpecError(f"a training has at least 1 step, got {self.steps}")

    @classmethod
    def of(cls, recipe: TrainingRecipe, *, steps: int | None, processes: int = 1) -> Self:
        """The recipe's own length, or ``steps``; several processes share an epoch's images."""
        own = math.ceil(recipe.total_epochs * recipe.epoch_images / (recipe.batch * processes))
        return cls(steps=own if steps is None else steps, recipe=recipe)

    def epoch(self, step: int) -> int:
        """0, 1, 2, ... of a step that counts from 0."""
        return step * self.recipe.total_epochs // self.steps

    def lr(self, step: int) -> float:
        """The learning rate: constant, then linear towards 0, which the epoch after the last would have."""
        past = max(0, self.epoch(step) + 1 - self.recipe.epochs)
        return self.recipe.lr * (1 - past / (self.recipe.decay_epochs + 1))

    def lambdas(self, step: int) -> Lambdas:
        """The loss weights, halved in the second half where the recipe says so."""
        late = self.recipe.halve_lambdas and 2 * step >= self.steps
        cycle = self.recipe.lambda_cycle * (0.5 if late else 1.0)
        hide = 0.0 if self.recipe.hiding is None else self.recipe.hiding.weight
        return Lambdas(cycle=cycle, identity=cycle * self.recipe.lambda_identity, hide=hide)
