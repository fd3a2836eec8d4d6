"""Hides every package that a bare GPU machine lacks: import it first, or give it to pytest as a plugin.

What stays is torch, Triton, NumPy, onnx, CuPy and pytest, with what they depend on.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions

from tests.support.hiding import hide, same_form, with_dependencies

# torch looks for optree in the packages' metadata, which are not hidden.
STAY = ("torch", "triton", "numpy", "msgspec", "onnx", "cupy-cuda13x", "pytest", "setuptools", "augengine", "optree")
_OURS = ("augengine", "augengine_train", "tests", "benchmarks", "nvidia")
_PARTS_OF_NVIDIA = ("nvidia.dali", "nvidia.nvimgcodec")


def hidden_modules() -> set[str]:
    """Top-level modules of everything else that is installed."""
    kept = with_dependencies(STAY)
    others = {module for module, owners in packages_distributions().items() if not kept & set(map(same_form, owners))}
    return (others - set(_OURS)) | set(_PARTS_OF_NVIDIA)


hide(hidden_modules())
