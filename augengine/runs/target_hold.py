"""What a run knows of its hold of a target: it, and its workers on other machines, stop when another took it over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from augengine.shards.fence import Fence


@dataclass(frozen=True, slots=True)
class Hold:
    """A run's hold of a target.

    Attributes:
        was_killed: Whether the run before was killed, or crashed: it left its lock.
        fence: For the workers.
        lost: Set when the lock was found to be another's.
    """

    was_killed: bool
    fence: Fence = field(default_factory=Fence)
    lost: threading.Event = field(default_factory=threading.Event)

    def checking(self, tell: Callable[[int], None]) -> Callable[[int], None]:
        """What is told of progress, and stops the run once the hold is lost."""

        def told(samples: int) -> None:
            if self.lost.is_set():
                self.fence.check()
            tell(samples)

        return told
