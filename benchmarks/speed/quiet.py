"""Follows a run and says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.progress import WorkerState


class Quiet:
    """See `augengine.progress.Watcher`."""

    def note(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def begin(self, total: int, already: int) -> None:
        """Nothing."""

    def advance(self, samples: int) -> None:
        """Nothing."""

    def crew(self, workers: Sequence[WorkerState]) -> None:
        """Nothing."""
