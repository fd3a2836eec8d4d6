"""Who follows a run: notes, warnings, and how far it is."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Follows a run."""

    def note(self, text: str) -> None:
        """One line about what happens."""
        ...

    def warn(self, text: str) -> None:
        """One line that matters even in a quiet run."""
        ...

    def begin(self, total: int, already: int) -> None:
        """A run of ``total`` samples starts, of which ``already`` were done before."""
        ...

    def advance(self, samples: int) -> None:
        """``samples`` were finished since `begin`."""
        ...
