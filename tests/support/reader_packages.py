"""Finds packages that read shards and stand apart from the others, see ``tests/readers.txt``.

torchvision's wheels on PyPI are built for CUDA. Beside a CPU build of torch their own operators cannot be loaded, and
the import fails because it describes them. Declared by name alone they can be described; nothing here runs one.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(sys.prefix) / "readers"
"""Where `make test` installs them."""

_NAMED = re.compile(r'torchvision::(\w+)|register_meta\("(\w+)"')


def _declare_operators() -> torch.library.Library:
    text = (FOLDER / "torchvision" / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in sorted({one or other for one, other in _NAMED.findall(text)}):
        library.define(f"{name}(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]
    return library


if FOLDER.is_dir():
    sys.path.append(str(FOLDER))
    _HELD = None if torch.cuda.is_available() else _declare_operators()
elif "pytest" in sys.modules:
    import pytest

    pytest.skip(f"{FOLDER} is missing: make .venv/installed-readers", allow_module_level=True)


def load(name: str) -> Any:
    """One of their modules."""
    return importlib.import_module(name)
