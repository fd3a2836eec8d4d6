"""Where a training is: which epoch is shown, and what of it the loop has taken. Workers see what is set here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from augengine.errors import SpecError
from augengine.loader.order import Indices

_NEVER = -1


class Position:
    """An epoch, and the ordinals that are done in it.

    An ordinal is the place of a sample among those that a rank shows in an epoch. What was done before an interruption
    is shared with workers, who leave it out; what the loop takes now is known in its own process alone, since workers
    begin at times of their own.

    Args:
        ordinals: At least as many as an epoch has.
    """

    def __init__(self, ordinals: int) -> None:
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._begun = torch.full((1,), _NEVER, dtype=torch.int64)
        self._done_before = torch.zeros(ordinals, dtype=torch.bool)
        self._taken: set[int] = set()
        self._share_memory()

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration shows."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Choose an epoch; another one than before begins at its beginning.

        Raises:
            SpecError: It is no count.
        """
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise SpecError(f"an epoch is 0, 1, 2 ..., got {epoch!r}")
        if epoch != self.epoch:
            self._done_before.zero_()
            self._taken.clear()
        self._epoch[0] = epoch

    def rest(self, count: int) -> Indices:
        """The ordinals of an epoch of ``count`` samples that were not done before."""
        self._taken.clear()
        return np.flatnonzero(~self._done_before.numpy()[:count])

    def begin(self) -> bool:
        """Note that the epoch is being shown, and say whether it was before."""
        again = int(self._begun[0]) == self.epoch
        self._begun[0] = self.epoch
        return again

    def take(self, ordinals: Iterable[int]) -> None:
        """Note what the loop has taken."""
        self._taken.update(ordinals)

    def taken(self) -> list[list[int]]:
        """All that was taken of the epoch, as runs: the first ordinal of each, and how many.

        Raises:
            SpecError: The epoch has begun, and nobody said what was taken.
        """
        done = {*np.flatnonzero(self._done_before.numpy()).tolist(), *self._taken}
        if not done and int(self._begun[0]) == self.epoch:
            hint = "call dataset.took(sample) for each sample or batch of the loop"
            raise SpecError(f"epoch {self.epoch} has begun, and nobody said what the loop took of it", hint=hint)
        return _runs(sorted(done))

    def restore(self, epoch: int, taken: Sequence[Sequence[int]]) -> None:
        """Go on in an epoch of which some runs were taken."""
        self.set_epoch(epoch)
        self._taken.clear()
        self._begun[0] = _NEVER
        self._done_before.zero_()
        for first, count in taken:
            self._done_before[first : first + count] = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._share_memory()

    def _share_memory(self) -> None:
        # A copy by deepcopy or pickle is not shared until it is told so; what a DataLoader sends to a worker is.
        for tensor in (self._epoch, self._begun, self._done_before):
            tensor.share_memory_()  # type: ignore[no-untyped-call]


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs
