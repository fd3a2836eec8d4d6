"""The seam: what is made up, and what must hold of its reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from hypothesis import strategies as st


class Kind(Protocol):
    """Files of one kind: a module has these two functions."""

    def made_up(self) -> st.SearchStrategy[Any]:
        """What files are made of."""
        ...

    def holds(self, value: Any, folder: Path) -> bool:
        """Write a file, read it, and say whether it was taken; False if it was refused in words.

        Anything else that is raised is a fault of ours. What was written stays in ``folder``.
        """
        ...
