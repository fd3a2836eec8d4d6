"""What a sample of a dataset must hold, by its plan, and the sums over what samples do hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from augengine.errors import ContentError
from augengine.jobs import Job
from augengine.json_values import from_json, to_json
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.masks import read_mask
from augengine.pictures.metadata import check_upright
from augengine.sample import MASK_EXT, variant_key
from augengine.shards.becomes import Becomes
from augengine.spec import MAX_SIDE, AugmentSpec

JSON_FIELDS: dict[str, type] = {
    "source_key": str, "stain": str, "reference": str, "variant": int, "variants": int, "eps": float, "sigma": float,
    "seed": int, "noise_version": int, "engine_to_reference": str,
    "engine_from_reference": str, "precision": str, "mpp": float, "source": str,
}  # fmt: skip
"""What the json of every augmented sample states, and as what: columnar readers merge equal types alone."""

GATE_FIELDS: dict[str, type] = {"counterstain_ssim": float}
"""What it states besides where there is a gate."""

SHUFFLE_FIELDS: dict[str, type] = {"method": str}
"""What it states besides where markers are shuffled."""

TILE_FIELDS: Mapping[str, type] = {
    "mpp": float, "slide": str, "x": int, "y": int, "downsample": float, "class": str,
}  # fmt: skip
"""What the json of every tile states, and as what."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plan says of every shard.

    Attributes:
        counts: Shard -> source samples.
        image_format: Format of the images.
        max_side: Longest side that an image may have, in pixels.
        becomes: What becomes of a good source.
        fields: What the json of each sample must hold, and of which type.
        said: What it must say.
        variants: Whether keys end in the variant that the json names.
    """

    counts: Mapping[str, int]
    image_format: str
    max_side: int
    becomes: Becomes
    fields: Mapping[str, type]
    said: Mapping[str, Any]
    variants: bool

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> Self:
        """Read it from a plan's json."""
        return cls._of_tiles(plan) if plan.get("kind") == "tile" else cls._of_augmented(plan)

    @classmethod
    def _of_tiles(cls, plan: Mapping[str, Any]) -> Self:
        return cls(
            counts=_counts(plan),
            image_format=str(plan["spec"]["image_format"]),
            max_side=_side(plan["spec"]["size"]),
            becomes=Becomes.of("tile", {}),
            fields=TILE_FIELDS,
            said={},
            variants=False,
        )

    @classmethod
    def _of_augmented(cls, plan: Mapping[str, Any]) -> Self:
        spec, engines = from_json(AugmentSpec, plan["spec"], at="spec"), plan["engines"]
        return cls(
            counts=_counts(plan),
            image_format=spec.image_format,
            max_side=_side(spec.max_side),
            becomes=Becomes.of(None, to_json(spec)),
            said={
                "stain": spec.stain,
                **({} if spec.shuffle is None else {"method": spec.method}),
                "eps": spec.eps,
                "seed": spec.seed,
                **{f"engine_{name}": engines[name] for name in ("to_reference", "from_reference")},
                "precision": engines["precision"],
            },
            fields=JSON_FIELDS
            | ({} if spec.gate is None else GATE_FIELDS)
            | ({} if spec.shuffle is None else SHUFFLE_FIELDS),
            variants=True,
        )


def _side(pixels: Any) -> int:
    if not 0 < int(pixels) <= MAX_SIDE:
        raise ValueError(f"a longest side of at most {MAX_SIDE} px: {pixels!r}")
    return int(pixels)


def _counts(plan: Mapping[str, Any]) -> dict[str, int]:
    return {job.output: job.count for job in from_json(tuple[Job, ...], plan["jobs"], at="jobs")}


def check_sample(
    key: str, members: dict[str, bytes], image: RgbImage | ContentError, planned: Planned, sums: Sums
) -> Iterator[str]:
    """What is wrong with a sample, a sentence each; a sound one is added to the sums."""
    image_format = planned.image_format
    own = [extension for extension in (image_format, MASK_EXT, "json") if extension in members]
    if list(members) != own + sorted(members.keys() - set(own)):
        yield f"its members are {', '.join(members)}, not in their fixed order"
    yield from _check_json(key, members.get("json"), planned)
    mask: Mask | None = None
    if MASK_EXT in members:
        try:
            mask = read_mask(members[MASK_EXT], max_side=planned.max_side)
        except ContentError as error:
            yield error.message
    if isinstance(image, ContentError):
        yield image.message if image_format in members else f"it has no .{image_format}"
        return
    try:
        check_upright(members[image_format], what="image")
    except ContentError as error:
        yield error.message
    if mask is not None and mask.shape != image.shape[:2]:
        yield f"its mask is {mask.shape[1]} x {mask.shape[0]} px, its image {image.shape[1]} x {image.shape[0]}"
    sums.add(image, mask)


def _check_json(key: str, data: bytes | None, planned: Planned) -> Iterator[str]:
    try:
        record: Any = json.loads(data) if data is not None else None
    except (ValueError, RecursionError) as error:
        yield f"its json cannot be read: {error}"
        return
    if not isinstance(record, Mapping):
        yield "it has no json object"
        return
    if lacking := [name for name in planned.fields if name not in record]:
        yield f"its json lacks {', '.join(lacking)}"
        return
    for name, wanted in planned.fields.items():
        if type(record[name]) is not wanted:
            yield f"its json has {_shown(record[name])} under {name}, where every sample has a {wanted.__name__}"
    if planned.variants and not _says_variant(key, record):
        yield f"its json says variant {record['variant']} of {record['source_key']!r}"
    for name, planned_value in planned.said.items():
        if record[name] != planned_value:
            yield f"its json says {name} {record[name]!r}, the plan {planned_value!r}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _says_variant(key: str, record: Mapping[str, Any]) -> bool:
    return isinstance(record["variant"], int) and variant_key(str(record["source_key"]), record["variant"]) == key


@dataclass(slots=True)
class Sums:
    """The sums of a report, computed again."""

    pixels: int = 0
    channel_sum: list[int] = field(default_factory=lambda: [0, 0, 0])
    channel_sum_sq: list[int] = field(default_factory=lambda: [0, 0, 0])
    class_pixels: Counter[int] = field(default_factory=Counter)
    annotated: int = 0

    def add(self, image: RgbImage, mask: Mask | None) -> None:
        """Count an image and its mask."""
        self.pixels += image.shape[0] * image.shape[1]
        for row in image:  # int64 copies of all of a large image would take eight times its memory
            values = row.astype(np.int64)
            sums, squares = values.sum(axis=0), (values * values).sum(axis=0)
            for channel in range(3):
                self.channel_sum[channel] += int(sums[channel])
                self.channel_sum_sq[channel] += int(squares[channel])
        if mask is not None:
            counts = np.bincount(mask.ravel())
            self.class_pixels.update({int(i): int(counts[i]) for i in np.flatnonzero(counts)})
            self.annotated += bool(counts[1:].any())

    def as_reported(self) -> dict[str, Any]:
        """Return the sums and counts under their names in a report."""
        return {
            "pixels": self.pixels,
            "channel_sum": tuple(self.channel_sum),
            "channel_sum_sq": tuple(self.channel_sum_sq),
            "class_pixels": dict(self.class_pixels),
            "annotated": self.annotated,
        }
