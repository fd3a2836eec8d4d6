"""What a dataset holds, in sentences: which rule its epochs follow, and what a user may not expect."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from augengine.loader.catalogue import Catalogue, Source
from augengine.progress import counted
from augengine.sample import SOURCE_VARIANT

_LOG = logging.getLogger("augengine.loader")


def describe(catalogue: Catalogue, p: float) -> str:
    """One line: sources and shards, the rule of the epochs, and how many sources have no mask."""
    sources = catalogue.sources
    start = f"{counted(len(sources), 'source')} in {counted(len(catalogue.shards), 'shard')}"
    unmasked = sum(any(each.mask is None for each in source.samples.values()) for source in sources)
    masks = [f"{counted(unmasked, 'source')} without a mask"] if unmasked else []
    left_out = [f"{counted(catalogue.left_out, 'sample')} not asked for"] if catalogue.left_out else []
    return "; ".join([f"{start}: {_rule(sources, p)}", *masks, *left_out])


def doubts(catalogue: Catalogue) -> Iterator[str]:
    """What is not as it should be, a sentence each: bad samples, and variants that are missing."""
    if catalogue.bad:
        more = f"; and {len(catalogue.bad) - 1} more" if len(catalogue.bad) > 1 else ""
        yield f"{counted(len(catalogue.bad), 'bad sample')} left out: {catalogue.bad[0]}{more}"
    alone = [source for source in catalogue.sources if SOURCE_VARIANT not in source.samples]
    if alone and len(alone) == len(catalogue.sources):
        yield "no source is there itself, so all that is shown are variants: augment with --include-source"
    if fewer := [source.key for source in catalogue.sources if _written(source) > source.variants]:
        have = "has" if len(fewer) == 1 else "have"
        yield f"{counted(len(fewer), 'source')} {have} fewer variants than were written: {fewer[0]} first"


def _rule(sources: Sequence[Source], p: float) -> str:
    counts = [source.variants for source in sources if not _is_passed(source)]
    passed = len(sources) - len(counts)
    missing = sum(SOURCE_VARIANT not in source.samples for source in sources)
    if not any(counts):
        return "no variants, each is shown as it is"
    also = f"; {passed} passed through, always shown as they are" if passed else ""
    if missing == len(counts):
        return f"none is there itself, {_one_of(counts)} is always shown{also}"
    also += f"; {counted(missing, 'source')} not there itself, a variant stands in" if missing else ""
    return f"each is shown as it is, or with probability {p:g} as {_one_of(counts)}{also}"


def _one_of(counts: Sequence[int]) -> str:
    fewest, most = min(counts), max(counts)
    if most == 1:
        return "its one variant" + ("" if fewest else ", where it has one,")
    return f"one of its {most} variants" if fewest == most else f"one of its {fewest} to {most} variants"


def _is_passed(source: Source) -> bool:
    return SOURCE_VARIANT in source.samples and source.samples[SOURCE_VARIANT].origin.passed and not source.variants


def _written(source: Source) -> int:
    return max((stored.origin.written or 0 for stored in source.samples.values()), default=0)


def tell(catalogue: Catalogue, p: float, left_out: Iterable[str]) -> None:
    """Log what there is to show, and what of it is in doubt.

    Args:
        catalogue: What there is.
        p: Probability of showing a variant.
        left_out: What lies beside the shards and is not read, a sentence each.
    """
    _LOG.info("%s", describe(catalogue, p))
    for doubt in (*left_out, *doubts(catalogue)):
        _LOG.warning("%s", doubt)
