"""The seam: what a source is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from augengine.jobs import Job
from augengine.listing import Listing
from augengine.sample import Failure, Sample


class Source(Protocol):
    """Where samples come from: it lists them by their headers, and reads those of a job.

    A frozen value that can be sent to another process. It decodes nothing.
    """

    def scan(self) -> Listing:
        """List everything anew, from names, sizes and headers.

        Raises:
            SourceError: It is missing, or unreadable as a whole.
        """
        ...

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """The samples of a job, one outcome each, in order.

        Raises:
            SourceError: Unreadable as a whole, or not what it was when the job was planned.
        """
        ...

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `source_from_json` makes it again."""
        ...
