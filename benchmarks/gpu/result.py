"""The result of a check, written whole after every row: a run that is killed leaves what it had measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from augengine.storage.atomic import write_whole
from benchmarks.gpu.part import Part, Setting, attempt
from benchmarks.gpu.targets import add_shares, targets


@dataclass(kw_only=True)
class Result:
    """What was measured so far.

    Attributes:
        file: Where it is written.
        facts: What it says of the command, the machine and the versions.
        seconds: No row begins later than that after the start; None for no limit.
        clock: Tells the time, in seconds.
        parts: Name -> ``result``, and why it ended before its last row: ``missing``, ``failed`` or ``stopped``.
    """

    file: Path
    facts: Mapping[str, Any]
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    parts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def run(self, name: str, part: Part, setting: Setting) -> None:
        """Run a part row by row, and write after each; nothing that happens in it ends the others."""
        own = self.parts[name] = {}
        attempt(part, setting, own, on_row=self.write, goes_on=lambda: not self._is_over())
        self.write()

    def write(self) -> None:
        """Write all of it, whole or not at all."""
        add_shares(self.parts)
        result = {**self.facts, "parts": self.parts, "targets": targets(self.parts)}
        write_whole(self.file, json.dumps(result, indent=2) + "\n")

    def _is_over(self) -> bool:
        return self.seconds is not None and self.clock() - self._began > self.seconds


def load_part(module: str, name: str) -> Part:
    """A part whose module is imported when it runs, so that a package it lacks is that part's and no other's."""
    return lambda setting: getattr(import_module(module), name)(setting)
