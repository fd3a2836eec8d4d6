"""A source opened and listed, to be looked at."""

from __future__ import annotations

from augengine.listing import Listing, check_readable
from augengine.sources import Source, open_source
from augengine.spec import MASK_SUFFIX


def scan(
    text: str | None, stain: str, *, masks: str | None = None, mask_suffix: str = MASK_SUFFIX
) -> tuple[Source, Listing]:
    """A source and what it holds; ``masks`` and ``mask_suffix`` say where the masks of a folder are.

    Raises:
        SourceError: It is missing, or holds no readable image.
    """
    source = open_source(text, stain=stain, masks=masks, mask_suffix=mask_suffix)
    listing = source.scan()
    check_readable(listing, text)
    return source, listing
