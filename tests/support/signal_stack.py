"""The stack that signals are handled on: where a library unmapped it, the next signal ends the process."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

DISABLED = 2
"""SS_DISABLE: signals are handled on the ordinary stack."""


class Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def what_is_wrong() -> str:
    """Empty if this thread's alternate signal stack is memory of this process, or there is none (Linux alone tells)."""
    if not sys.platform.startswith("linux"):
        return ""
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    if stack.flags & DISABLED or _mapped(stack.start, stack.start + stack.size):
        return ""
    return f"the alternate signal stack at {stack.start:#x}, {stack.size} bytes, is not mapped: the next signal kills"


def _mapped(start: int, end: int) -> bool:
    at = start
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions = line.split(maxsplit=2)[:2]
        low, high = (int(each, 16) for each in span.split("-"))
        if low <= at < high and permissions.startswith("rw"):
            at = high
    return at >= end
