"""The source of a run: opened, and looked through before anything is made."""

from __future__ import annotations

from augengine.dataset.request import AugmentRequest
from augengine.listing import Listing, check_readable, check_sides, describe
from augengine.progress import Watcher, counted
from augengine.sources import Source, open_source
from augengine.stains import Stain


def source_of(request: AugmentRequest, stain: Stain) -> Source:
    """The source that a request names, unread.

    Raises:
        SourceError: There is none.
    """
    return open_source(
        request.source,
        stain=stain.name,
        masks=None if request.masks is None else str(request.masks),
        mask_suffix=request.mask_suffix,
        image_member=request.image_member,
        mask_member=request.mask_member,
    )


def checked_listing(source: Source, request: AugmentRequest, watcher: Watcher) -> Listing:
    """What a source holds; what a user should know of it is told.

    Raises:
        SourceError: Nothing of it can be read.
    """
    listing = check_sides(source.scan(), request.max_side)
    for line in listing.warnings:
        watcher.warn(line)
    for line in describe(listing, request.limit):
        watcher.note(f"note: {line}")
    check_readable(listing, request.source)
    if bad := listing.bad:
        left_out = f"{len(bad)} of {counted(listing.samples, 'sample')} will be left out"
        watcher.warn(f"{left_out}, as {bad[0].name}: {bad[0].reason}")
    return listing
