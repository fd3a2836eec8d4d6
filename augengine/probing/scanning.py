"""A source opened and listed, to be looked at."""

from __future__ import annotations

from augengine.listing import Listing, check_readable
from augengine.sources import Source, open_source


def scan(text: str | None, stain: str) -> tuple[Source, Listing]:
    """A source and what it holds.

    Raises:
        SourceError: It is missing, or holds no readable image.
    """
    source = open_source(text, stain=stain)
    listing = source.scan()
    check_readable(listing, text)
    return source, listing
