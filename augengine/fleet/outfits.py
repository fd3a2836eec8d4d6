"""What a node of a cluster needs where nothing is sent to it: the same libraries as everywhere."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, ClassVar

from augengine.pictures.encode import encoder_version


@dataclass(frozen=True, slots=True, kw_only=True)
class SameLibraries:
    """An outfit of nodes that compute the same bytes as long as their libraries are the same.

    Attributes:
        reads: Local paths that workers read, beside the jobs' sources.
        files: None.
    """

    DECIDE_BYTES: ClassVar[tuple[str, ...]] = ("augengine", "numpy")
    """The packages that compute pixels and masks from what is read."""

    reads: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def machine(self) -> str:
        """Everything about this machine that decides bytes: its kind, and the versions that compute and encode."""
        own = ", ".join(f"{name} {version(name)}" for name in self.DECIDE_BYTES)
        return f"{platform.machine()}, {own}, {encoder_version()}"

    def fit(self, worker: Any, fetch: Callable[[str], bytes]) -> Any:  # noqa: ARG002 - the seam's
        """The worker's spec as it is: nodes whose bytes differ are refused before."""
        return worker
