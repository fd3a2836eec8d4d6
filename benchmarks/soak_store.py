"""Where a soak writes: a folder, or an S3 server on loopback that fails, is slow, breaks off or loses answers."""

from __future__ import annotations

import logging
import os
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from augengine.storage import AnyPath, UrlPath, spool_of
from tests.support.store_server import Store, store

Kind = Literal["disk", "s3"]

SHARES = {"500": 0.03, "lost": 0.01, "cut": 0.01, "slow": 0.03}
"""Kind of fault -> share of all requests that it hits."""


@dataclass(slots=True)
class Target:
    """The dataset's place, and what was done to it.

    Attributes:
        out: The place.
        server: Behind it; None for a disk.
        faults: Kind -> how many requests.
    """

    out: AnyPath
    server: Store | None = None
    faults: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; empty for a disk."""
        if self.server is None:
            return {}
        return {"store": {"requests": self.server.requests, "faults": dict(sorted(self.faults.items()))}}

    def heal(self) -> None:
        """No more faults: what is judged is what was left."""
        if self.server is not None:
            self.server.heal()


@contextmanager
def target(kind: Kind, folder: Path, seed: int) -> Iterator[Target]:
    """The place to soak; for S3 the environment points at its server, here and in every process started from now on.

    Args:
        kind: A disk, or an S3 server.
        folder: Holds what lies on the disk.
        seed: Random seed of the faults.
    """
    if kind == "disk":
        yield Target(folder / "out")
        return
    _keep_spools_in(folder / "tmp")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it would print every request
    with store("soak") as server:
        made = Target(UrlPath("s3://soak/out"), server)
        draw, lock = random.Random(seed), threading.Lock()  # noqa: S311 - no secret

        def fault(*_: object) -> str:
            with lock:
                kind = draw.choices(["", *SHARES], [1 - sum(SHARES.values()), *SHARES.values()])[0]
                made.faults.update([kind] if kind else [])
            return kind

        server.fault = fault
        yield made


def _keep_spools_in(folder: Path) -> None:
    folder.mkdir()
    os.environ["RAY_TMPDIR"] = tempfile.gettempdir()  # its sockets need short paths
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def stale_spools() -> list[str]:
    """Folders of killed processes that are still there after another process made its own."""
    mine = spool_of()
    return sorted(other.name for other in mine.parent.iterdir() if other != mine)
