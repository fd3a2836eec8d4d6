"""Results on standard output, as json or as lines: nothing else is printed there, and a reader may go away."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.table import Table

from augengine.errors import TargetError

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
    """A result, a line of text.

    A reader who has gone is no error: the command's exit status says how it went. Characters that the output's coding
    lacks are escaped.

    Raises:
        TargetError: Standard output is on a disk that is full.
    """
    stream = sys.stdout if _reserved is None or sys.stdout is not sys.__stdout__ else _reserved
    if stream is None:  # closed before we began
        return
    coding = stream.encoding or "utf-8"
    with _written(stream):
        stream.write(text.encode(coding, "backslashreplace").decode(coding) + "\n")
        stream.flush()


def print_json(value: Any) -> None:
    """A result, a json value; characters that the output's coding lacks are escaped as json has it."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    print_line(text)


@contextmanager
def _written(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        with suppress(OSError, ValueError):  # Python would flush what is left at its end, and fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            hint = "the command itself is done: type it again, with its output elsewhere"
            raise TargetError(f"standard output cannot be written: {error.strerror}", hint=hint) from error


def print_table(table: Table) -> None:
    """A result, a table, as wide as the terminal allows."""
    console = RichConsole(highlight=False)
    with console.capture() as shown:
        console.print(table)
    print_line(shown.get().removesuffix("\n"))


def print_some(lines: Sequence[str], where: str) -> None:
    """The first of many lines, and where the others stand."""
    for line in lines[:_SHOWN]:
        print_line(f"  {line}")
    if (more := len(lines) - _SHOWN) > 0:
        print_line(f"  and {more} more, in {where}")
