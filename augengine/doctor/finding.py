"""One thing that was found of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["fine", "note", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        what: What was looked at, in a word or two.
        value: What was found.
        level: ``problem`` where a command will fail, ``note`` where something could be better.
        advice: What to do about it; empty where there is nothing to do.
    """

    what: str
    value: str
    level: Level = "fine"
    advice: str = ""
