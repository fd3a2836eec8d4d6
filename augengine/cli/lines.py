"""Results on standard output, as json or as lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console as RichConsole

_SHOWN = 20


def print_json(value: Any) -> None:
    """A json value on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def standard_output() -> RichConsole:
    """A console that leaves lines whole, so that they can be piped."""
    return RichConsole(highlight=False, soft_wrap=True)


def print_some(lines: Sequence[str], where: str) -> None:
    """The first of many lines, and where the others stand."""
    console = standard_output()
    for line in lines[:_SHOWN]:
        console.print(f"  {line}", markup=False)
    if (more := len(lines) - _SHOWN) > 0:
        console.print(f"  and {more} more, in {where}", markup=False)
