"""The sample set: tiles of drawn CD68 kidney with glomerulus masks, which come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from augengine.jobs import Job
from augengine.listing import Listing, Unit, make_listing
from augengine.sample import Failure, Sample
from augengine.shards.read import read_tar, scan_tar

STAIN = "cd68"
"""The stain that the tiles are drawn in, and the only one that the sample set serves."""

TAR = Path(__file__).parent / "sample_set.tar"
"""Written by ``augengine train sample-set``."""

NOTE = (
    "no --in: the sample set is used, eight tiles of drawn CD68 tissue, and the generators trained on such drawings; "
    "give your own images with --in"
)

_MPP = 0.5


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """Eight tiles of 256 px at 0.5 um/px, with masks of class ids 0 (background) and 1 (glomerulus)."""

    kind: ClassVar[str] = "sample-set"

    def scan(self) -> Listing:
        """List the tiles; see `Source`."""
        # The tar's path differs between machines, and a plan must not.
        unit = Unit(source=self.kind, entries=scan_tar(str(TAR)).entries)
        return make_listing([unit], mpps=(_MPP,), splits=True)

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's tiles; see `Source`."""
        return read_tar(str(TAR), job.first, job.count, job.excluded)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind}
