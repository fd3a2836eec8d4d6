"""Hides installed packages from a process, as if they were not there."""

from __future__ import annotations

import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, requires
from types import ModuleType


def same_form(name: str) -> str:
    """The name of a distribution as names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_of(requirement: str) -> str:
    """The distribution that a requirement names."""
    return same_form(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


def with_dependencies(names: Iterable[str]) -> set[str]:
    """Distributions and all that they need, extras left out; augengine's own dependencies are left to the caller."""
    found: set[str] = set()
    waiting = [same_form(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(name)
    return found


def _needs(name: str) -> list[str]:
    if name == "augengine":
        return []
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    return [distribution_of(line) for line in lines if "extra ==" not in line]


class Hide(importlib.abc.MetaPathFinder):
    """Finds nothing, and lets nothing after it find, what is hidden."""

    def __init__(self, hidden: set[str]) -> None:
        self._hidden = hidden

    def hides(self, name: str) -> bool:
        parts = name.split(".")
        return any(".".join(parts[: n + 1]) in self._hidden for n in range(len(parts)))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self.hides(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide(modules: set[str]) -> None:
    """Hide modules in this process."""
    finder, find = Hide(modules), importlib.util.find_spec
    sys.meta_path.insert(0, finder)

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if finder.hides(name) else find(name, package)

    importlib.util.find_spec = find_spec
