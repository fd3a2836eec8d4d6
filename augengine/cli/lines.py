"""Results on standard output, as json or as lines: nothing else is printed there, and a reader may go away."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console as RichConsole

_SHOWN = 20
_reserved: TextIO | None = None


def reserve_standard_output() -> None:
    """Keep standard output for results alone, until this process ends.

    Whatever else is printed there from now on, by Python, by C or by child processes, is seen on standard error: Ray
    tells of dead workers on standard output. Where something else stands in for standard output already, as in tests,
    that stays.
    """
    global _reserved
    out = sys.__stdout__
    if _reserved is not None or out is None or sys.stdout is not out:
        return
    out.flush()
    with suppress(OSError):  # one of both is closed
        _reserved = os.fdopen(os.dup(1), "w", encoding=out.encoding, errors=out.errors)
        os.dup2(2, 1)


def print_line(text: str) -> None:
    """A result, a line of text. A reader who has gone is no error: the command's exit status says how it went."""
    stream = sys.stdout if _reserved is None or sys.stdout is not sys.__stdout__ else _reserved
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        # Python would flush what is left at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_json(value: Any) -> None:
    """A result, a json value."""
    print_line(json.dumps(value, ensure_ascii=False))


class _ResultConsole(RichConsole):
    """Goes quiet, instead of ending the process, when nobody reads standard output any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def standard_output() -> RichConsole:
    """A console that leaves lines whole, so that they can be piped."""
    return _ResultConsole(highlight=False, soft_wrap=True)


def print_some(lines: Sequence[str], where: str) -> None:
    """The first of many lines, and where the others stand."""
    console = standard_output()
    for line in lines[:_SHOWN]:
        console.print(f"  {line}", markup=False)
    if (more := len(lines) - _SHOWN) > 0:
        console.print(f"  and {more} more, in {where}", markup=False)
