"""A stored sample decoded: arrays and what its json says. Only what is shown comes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augengine.errors import ContentError, SourceError
from augengine.loader.catalogue import Stored, facts_of
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.masks import read_mask
from augengine.pictures.reading import read_image
from augengine.sample import Sample
from augengine.shards.read import parse_meta
from augengine.shards.spans import Span, SpanReader
from augengine.spec import MAX_SIDE

_REPAIR = "repair or remove it; `augengine verify` names all bad samples of a dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What is shown of one sample.

    Attributes:
        image: uint8 (H, W, 3), RGB as stored: no EXIF orientation is applied.
        mask: Class ids, uint8 (H, W), or None.
        meta: Its json; empty if it has none.
        sigma: Deviation of its noise in the [-1, 1] range; 0 for a source.
        patient: Its patient by the source's json; empty if that says nothing.
        mpp: um/px by its json; 0 if that says nothing.
    """

    image: RgbImage
    mask: Mask | None
    meta: dict[str, Any]
    sigma: float
    patient: str
    mpp: float


class SampleReader:
    """Reads and decodes samples. A process makes its own: open files are not shared over a fork."""

    def __init__(self) -> None:
        self._spans = SpanReader()

    def read(self, stored: Stored) -> Decoded:
        """Read one sample.

        Raises:
            SourceError: Its shard cannot be read, or it is bad; it is named.
        """
        spans = [span for span in (stored.image, stored.mask, stored.meta) if span is not None]
        data = dict(zip(spans, self._spans.read(stored.shard, spans), strict=True))
        try:
            return self._decode(stored, data)
        except ContentError as error:
            raise SourceError(f"{stored.key} in {stored.shard}: {error.message}", hint=error.hint or _REPAIR) from error

    def _decode(self, stored: Stored, data: dict[Span, bytes]) -> Decoded:
        image = read_image(data[stored.image], max_side=MAX_SIDE)
        mask = read_mask(data[stored.mask], max_side=MAX_SIDE) if stored.mask is not None else None
        if mask is not None and mask.shape != image.shape[:2]:
            sizes = " x ".join(map(str, mask.shape[::-1])), " x ".join(map(str, image.shape[1::-1]))
            raise ContentError(f"its mask is {sizes[0]} px, its image {sizes[1]} px", hint=_REPAIR)
        meta = parse_meta(data[stored.meta]) if stored.meta is not None else {}
        facts = facts_of(meta)
        return Decoded(
            image=image,
            mask=mask,
            meta=meta,
            sigma=_number(facts.get("sigma")),
            patient="" if facts.get("patient") is None else str(facts["patient"]),
            mpp=Sample(key=stored.key, image=b"", image_ext="", meta=facts).mpp or 0.0,
        )

    def close(self) -> None:
        """Close the shards that are open."""
        self._spans.close()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
