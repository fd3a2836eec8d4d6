"""Which of TensorRT's two packages serves this machine: a choice without side effects, and the import behind it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from augengine.engines.driver import compute_capability, why_no_driver
from augengine.engines.gpu_memory import INSTALL
from augengine.errors import BackendUnavailable

PACKAGES = ("tensorrt", "tensorrt_rtx")
"""TensorRT's packages in the order of preference.

A process imports only one of them: both register the same C++ types."""

UNLISTED = "does not run on this GPU"
"""Part of the reason why a package is refused that lists the capabilities it builds for, but not this GPU's."""

_ELSE = "pip install 'augengine[gpu]' where NVIDIA's own index is reachable; --backend torch runs without TensorRT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One of TensorRT's two packages, as it was found.

    Attributes:
        name: Name to import it by.
        version: Empty if it cannot be imported.
        missing: Why it cannot be imported; empty if it can.
        targets: The compute capabilities that it lists, as ``SM89``; empty if it lists none and takes what it is given.
    """

    name: str
    version: str = ""
    missing: str = ""
    targets: frozenset[str] = frozenset()


def choose_package(found: Iterable[Package], capability: tuple[int, int] | None) -> tuple[str, str]:
    """The first package that runs on a device.

    Args:
        found: In the order of preference; those behind the chosen one are not asked for.
        capability: The device's; None without one, and then any that can be imported will do.

    Returns:
        Its name and nothing; or nothing, and the reason of each in one line.
    """
    reasons = []
    for package in found:
        if not (reason := why_not(package, capability)):
            return package.name, ""
        reasons.append(reason)
    return "", "; ".join(reasons)


def why_not(package: Package, capability: tuple[int, int] | None) -> str:
    """Empty if a package runs on a device of this compute capability, else the reason."""
    if package.missing or capability is None or not package.targets:
        return package.missing
    wanted = "SM{}{}".format(*capability)
    if wanted in package.targets:
        return ""
    listed = ", ".join(sorted(package.targets, key=lambda name: int(name[2:])))
    return f"{package.name} {package.version} {UNLISTED}: it is {wanted}, the package lists {listed}"


@cache
def load_package(names: tuple[str, ...] = PACKAGES, *, unlisted: bool = False) -> Any:
    """The package that serves this machine; deferred, as it maps hundreds of megabytes.

    Args:
        names: Which may serve, in the order of preference.
        unlisted: Whether one may that does not list this machine's GPU.

    Raises:
        BackendUnavailable: None is installed, or none runs on this machine's GPU.
    """
    capability = None if unlisted or why_no_driver() else compute_capability()
    name, reason = choose_package(map(find_package, names), capability)
    if not name:
        installed = any(importlib.util.find_spec(each) for each in names)
        raise BackendUnavailable(reason, hint=_ELSE if installed else INSTALL)
    return importlib.import_module(name)


def find_package(name: str) -> Package:
    """Import a package and see what it lists."""
    if importlib.util.find_spec(name) is None:
        return Package(name=name, missing=f"{name} is not installed")
    try:
        trt = importlib.import_module(name)
    except (ImportError, OSError) as error:
        return Package(name=name, missing=f"{name} cannot be imported ({error})")
    listed = getattr(getattr(trt, "ComputeCapability", None), "__members__", {})
    targets = frozenset(each for each in listed if each.startswith("SM") and each[2:].isdigit())
    return Package(name=name, version=str(trt.__version__), targets=targets)
