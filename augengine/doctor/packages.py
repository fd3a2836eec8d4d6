"""Says which packages are installed. It reads their metadata and imports none."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from augengine.doctor.finding import Finding

_WRITING = {"DALI": "nvidia-dali-cuda130", "OpenVINO": "openvino", "Ray": "ray", "libvips": "pyvips"}
_INSTALL = "pip install 'augengine[write]'"


def look_at_packages() -> list[Finding]:
    """Python, augengine, and what writes datasets and trains."""
    return [_python(), *(_writer(name, package) for name, package in _WRITING.items()), _torch()]


def installed(package: str) -> str:
    """The version of an installed package; empty if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _python() -> Finding:
    value = f"{installed('augengine')}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        return Finding(what="augengine", value=value)
    advice = "datasets are written on Linux with an x86-64 processor; reading them works here"
    return Finding(what="augengine", value=value, level="note", advice=advice)


def _writer(name: str, package: str) -> Finding:
    if found := installed(package):
        return Finding(what=name, value=found)
    return Finding(what=name, value="not installed", level="problem", advice=f"{_INSTALL}: it writes datasets")


def _torch() -> Finding:
    if found := installed("torch"):
        return Finding(what="torch", value=found)
    advice = "only training needs it: pip install 'augengine[train]'"
    return Finding(what="torch", value="not installed", level="note", advice=advice)
