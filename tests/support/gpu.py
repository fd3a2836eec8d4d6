"""What tests on a GPU need."""

from __future__ import annotations

from typing import Any

import pytest


def cupy_or_skip() -> Any:
    """CuPy with a GPU to use; without either the test is skipped with the reason."""
    module = pytest.importorskip("cupy", reason="CuPy is not installed: pip install 'augengine[gpu]'")
    try:
        module.cuda.runtime.getDeviceCount()
    except module.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no GPU: {error}")
    return module
