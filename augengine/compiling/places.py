"""Which samples of a source are looked at: spread over all of it, and read unit by unit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

from augengine.jobs import Job
from augengine.listing import Listing, Unit, digest_entries
from augengine.sample import Failure, Sample
from augengine.sources import Source
from augengine.storage import is_url

Place = tuple[int, int]
"""Number of a unit in its listing, and a sample's ordinal within it."""

_NOT_LOOKED_AT = "it is not looked at"


def spread(listing: Listing, count: int, *, preferred: Sequence[str] = ()) -> Iterator[Place]:
    """Every sample once, in an order whose first ``count`` are spread over the whole source.

    Tars on a store are read from their beginnings, since what lies before a sample has to be fetched too.

    Args:
        listing: What the source holds.
        count: How many the first ones are.
        preferred: Keys of samples that go before all others.
    """
    first = _of_keys(listing, preferred)
    yield from first
    others = _spread_over_beginnings if _is_far(listing) else _spread_over_all
    yield from (place for place in others(listing, count) if place not in first)


def _of_keys(listing: Listing, keys: Sequence[str]) -> list[Place]:
    wanted = set(keys)
    places = {
        entry.key: (number, ordinal)
        for number, unit in enumerate(listing.units if wanted else ())
        for ordinal, entry in enumerate(unit.entries)
        if entry.key in wanted and not entry.reason
    }
    return [places[key] for key in keys if key in places]


def _is_far(listing: Listing) -> bool:
    return not listing.splits and any(is_url(unit.source) for unit in listing.units)


def _spread_over_all(listing: Listing, count: int) -> Iterator[Place]:
    ends = list(accumulate(len(unit.entries) for unit in listing.units))
    total = ends[-1] if ends else 0
    step = max(1, total // count)
    for start in range(step):
        for index in range(start, total, step):
            number = bisect_right(ends, index)
            yield number, index - (ends[number - 1] if number else 0)


def _spread_over_beginnings(listing: Listing, count: int) -> Iterator[Place]:
    numbers = [number for number, unit in enumerate(listing.units) if unit.entries]
    taken = numbers[:: max(1, len(numbers) // count)][:count]
    for ordinal in range(max(len(listing.units[number].entries) for number in taken)):
        yield from ((number, ordinal) for number in taken if ordinal < len(listing.units[number].entries))


def read_places(source: Source, listing: Listing, places: Sequence[Place]) -> Iterator[Sample | Failure]:
    """The samples at some places, in the source's order; each unit is read once.

    Raises:
        SourceError: A unit cannot be read as a whole.
    """
    for number, group in groupby(sorted(places), key=lambda place: place[0]):
        ordinals = [ordinal for _, ordinal in group]
        for ordinal, outcome in enumerate(source.read(_job(listing.units[number], ordinals)), ordinals[0]):
            if ordinal in ordinals:
                yield outcome


def _job(unit: Unit, ordinals: Sequence[int]) -> Job:
    """A job of the samples between the first and the last of some; those that nobody asked for are passed over."""
    first, last = ordinals[0], ordinals[-1]
    entries = unit.entries[first : last + 1]
    reasons = {ordinal: entry.reason for ordinal, entry in enumerate(entries, first)}
    excluded = {o: reason or _NOT_LOOKED_AT for o, reason in reasons.items() if reason or o not in ordinals}
    return Job(
        index=0,
        source=unit.source,
        first=first,
        count=len(entries),
        size=sum(entry.size for entry in entries),
        digest=digest_entries(entries),
        output="tiles",
        excluded=excluded,
        apart=unit.apart or not is_url(unit.source),
    )
