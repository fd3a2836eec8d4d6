"""Hides every package that a bare GPU machine lacks: import it first, or give it to pytest as a plugin.

What stays is torch, Triton, NumPy, onnx, CuPy and pytest, with what they depend on.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from types import ModuleType

# torch looks for optree in the packages' metadata, which are not hidden.
STAY = ("torch", "triton", "numpy", "onnx", "cupy-cuda13x", "pytest", "setuptools", "augengine", "optree")
_OURS = ("augengine", "augengine_train", "tests", "benchmarks", "nvidia")
_PARTS_OF_NVIDIA = ("nvidia.dali", "nvidia.nvimgcodec")


def _same_form(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: Iterable[str]) -> set[str]:
    """Distributions and all that they need, extras left out; augengine's own dependencies are what is hidden."""
    found: set[str] = set()
    waiting = [_same_form(name) for name in names]
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
    return [_same_form(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines if "extra ==" not in line]


def hidden_modules() -> set[str]:
    """Top-level modules of everything else that is installed."""
    kept = with_dependencies(STAY)
    others = {module for module, owners in packages_distributions().items() if not kept & set(map(_same_form, owners))}
    return (others - set(_OURS)) | set(_PARTS_OF_NVIDIA)


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


def hide() -> None:
    """Hide them in this process."""
    finder, find = Hide(hidden_modules()), importlib.util.find_spec
    sys.meta_path.insert(0, finder)

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if finder.hides(name) else find(name, package)

    importlib.util.find_spec = find_spec


hide()
