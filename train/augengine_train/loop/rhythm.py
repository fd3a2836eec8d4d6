"""How often a training logs, saves and validates."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often what happens, in steps; the last step always does all of it.

    Attributes:
        log: A row of losses.
        checkpoint: A checkpoint.
        validate: A validation.
    """

    log: int = 50
    checkpoint: int = 500
    validate: int = 500

    def __post_init__(self) -> None:
        if min(self.log, self.checkpoint, self.validate) < 1:
            raise SpecError("logs, checkpoints and validations are at least 1 step apart", hint="500 is a good number")


def is_due(step: int, every: int, steps: int) -> bool:
    """Whether what happens every so many steps happens after ``step`` of ``steps``; after the last one all does."""
    return step % every == 0 or step == steps
