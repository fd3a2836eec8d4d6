"""Draw sources of a dataset, their translations and variants, into a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise, quantise
from augengine.dataset.existing import ANY_SIDE, Dataset, draw, open_dataset
from augengine.engines.base import Engine
from augengine.errors import ContentError, EngineError, ShardError, SpecError, TargetError
from augengine.images import Decoder, RgbImage, encode_image
from augengine.job.load import load_chain, load_translators
from augengine.job.members import Drawn
from augengine.picture import Row, contact_sheet
from augengine.sample import Sample
from augengine.sources import source_from_json


def draw_sheet(folder: Path, out: Path, *, rows: int = 3) -> Path:
    """Draw sources of a dataset, their translations, variants, and where these differ, into a PNG.

    Args:
        folder: The dataset.
        out: The picture.
        rows: How many sources, spread over the first shard.

    Returns:
        ``out``.

    Raises:
        SpecError: ``rows`` below 1.
        ShardError: No dataset, or none of its sources can be drawn.
        EngineError: Its engines are missing here, or belong to another machine.
        TargetError: The picture cannot be written.
    """
    if rows < 1:
        raise SpecError(f"a sheet has at least one row, asked for {rows}")
    dataset = open_dataset(folder)
    job = dataset.plan.jobs[0]
    samples = [s for s in source_from_json(dataset.plan.source).read(job) if isinstance(s, Sample)]
    chosen = samples[:: max(1, len(samples) // rows)][:rows]
    drawn = list(_rows(dataset, chosen))
    if not drawn:
        raise ShardError(f"no source of {folder} can be drawn", hint="see its failures with `augengine verify`")
    spec = dataset.spec
    title = f"augengine: {spec.stain} by way of {spec.reference}, eps {spec.noise.eps:g}"
    sheet = contact_sheet(drawn, stain=spec.stain, reference=spec.reference, title=title)
    try:
        out.write_bytes(encode_image(sheet, "png"))
    except OSError as error:
        raise TargetError(f"cannot write {out}: {error.strerror}", hint="name another file with --out") from error
    return out


def _rows(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[Row]:
    with closing(load_chain(dataset.worker)) as chain:
        drawn = [draw(chain, sample) for sample in samples]
    engine = load_translators(dataset.worker).to_reference
    images = Decoder(threads=1, max_side=ANY_SIDE).decode([sample.image for sample in samples])
    for sample, image, variants in zip(samples, images, drawn, strict=True):
        if isinstance(variants, Drawn) and not isinstance(image, ContentError):
            yield Row(
                key=sample.key,
                source=image,
                intermediate=_intermediate(engine, image),
                variants_khwc=variants.images_khwc,
                sigmas=variants.sigmas,
            )


def _intermediate(engine: Engine, image: RgbImage) -> RgbImage:
    """A' in 8 bits, for the eye."""
    if engine.device != "cpu":
        raise EngineError("A' is drawn on a CPU only", hint="make the dataset with --backend openvino to draw it")
    x = normalise([pad_to(image, engine.height, engine.width)])
    out = np.empty_like(x)
    engine(x, out)
    return quantise(out)[0, : image.shape[0], : image.shape[1]]
