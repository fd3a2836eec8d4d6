"""Draw sources of a dataset, their translations and variants, into a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from augengine.chain.base import Outcome, Variants
from augengine.dataset.gate import Drawn, apply_gate
from augengine.dataset.load import load_chain
from augengine.dataset.reopen import Reopened, draw, read_sources, reopen
from augengine.errors import ContentError, ShardError, SpecError
from augengine.pictures.encode import decode_own
from augengine.pictures.files import write_flicker, write_png
from augengine.pictures.masks import fitting_mask
from augengine.pictures.pages import Row, contact_sheet, flicker_frames
from augengine.sample import Sample
from augengine.spec import MAX_SIDE
from augengine.storage import AnyPath


def draw_sheet(folder: AnyPath, out: Path, *, rows: int = 3, flicker: Path | None = None) -> Path:
    """Draw sources of a dataset, their translations, variants, and where these differ, into a PNG.

    Args:
        folder: The dataset.
        out: The picture, on a disk.
        rows: How many sources, spread over a shard; the next one serves where one has too few.
        flicker: File of a GIF that shows the same sources and their variants in turns; None writes none.

    Returns:
        ``out``.

    Raises:
        SpecError: ``rows`` below 1, or a flicker that is no .gif.
        ShardError: No dataset, or none of its sources can be drawn.
        EngineError: Its engines are missing here, or belong to another machine.
        TargetError: The picture cannot be written.
    """
    if rows < 1:
        raise SpecError(f"a sheet has at least one row, asked for {rows}")
    if flicker is not None and flicker.suffix.lower() != ".gif":
        raise SpecError(f"a flicker is a GIF, got {flicker}", hint="--flicker flicker.gif")
    dataset = reopen(folder)
    drawn = list(islice(_rows(dataset, rows), rows))
    if not drawn:
        raise ShardError(f"no source of {folder} can be drawn", hint="see why: augengine verify")
    spec = dataset.spec
    shuffled = spec.shuffle is not None
    how = "its markers shuffled" if shuffled else f"by way of {spec.reference}, eps {spec.eps:g}"
    title = f"augengine: {spec.stain} {how}"
    between = "without its markers" if shuffled else f"translated to {spec.reference}"
    sheet = contact_sheet(drawn, stain=spec.stain, between=between, title=title)
    write_png(out, sheet)
    if flicker is not None:
        write_flicker(flicker, flicker_frames(drawn, stain=spec.stain, title=title))
    return out


def _rows(dataset: Reopened, rows: int) -> Iterator[Row]:
    with closing(load_chain(dataset.worker)) as chain:
        for sample in _spread(dataset, rows):
            if kept := _kept(dataset, sample, draw(chain, sample)):
                image = decode_own(sample.image)
                yield Row(
                    key=sample.key,
                    source=image,
                    between=chain.between(image),
                    variants_khwc=np.stack([each.image for each in kept]),
                    sigmas=tuple(each.sigma for each in kept),
                    numbers=tuple(each.variant for each in kept),
                    mask=fitting_mask(sample.mask, image, max_side=MAX_SIDE),
                )


def _kept(dataset: Reopened, sample: Sample, variants: Outcome) -> tuple[Drawn, ...]:
    """The variants that the dataset holds of a sample; none of a bad one."""
    with suppress(ContentError):
        return apply_gate(sample, variants, dataset.spec).kept if isinstance(variants, Variants) else ()
    return ()


def _spread(dataset: Reopened, rows: int) -> Iterator[Sample]:
    """Sources, shard after shard; within one those first that are spread over it."""
    for job in dataset.plan.jobs:
        step = max(1, job.count // rows)
        # Read twice if need be rather than held: a shard of sources is a quarter of a gigabyte.
        for spread in (True, False):
            yield from (
                sample
                for i, sample in enumerate(read_sources(dataset, job))
                if (i % step == 0) == spread and isinstance(sample, Sample)
            )
