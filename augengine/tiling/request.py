"""What a user asks `tile` for, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augengine.annotations import class_key
from augengine.errors import SpecError
from augengine.fleet import check_address
from augengine.patients import Patients
from augengine.pictures.colour import TISSUE_DENSITY
from augengine.spec import ImageFormat
from augengine.storage import AnyPath
from augengine.tiling.listing import ListedSlide, list_slides
from augengine.tiling.spec import TileSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRequest:
    """What a user asks for; the command line's options, one to one.

    Attributes:
        slides: Files, folders that are searched, globs.
        out: Folder of the source shards.
        annotations: Folder of annotation files; None looks beside each slide, if there are classes.
        classes: ``name=id`` each, or several with commas between.
        patients: CSV file with the columns file, patient and split.
        mpp, size, overlap, slide_mpp, default_class, centred_on, negatives, background, random, min_tissue,
            tissue_density, seed, image_format, allow_dark: See `TileSpec`.
        tiles_per_shard: None for about 256 MB.
        workers: How many; None for one in every eight cores.
        ray_address: A running cluster.
        retry_failed: Make shards that lack samples anew.
    """

    slides: tuple[str, ...]
    out: AnyPath
    mpp: float = 0.5
    size: int = 508
    overlap: int = 0
    slide_mpp: float | None = None
    annotations: Path | None = None
    classes: tuple[str, ...] = ()
    default_class: str | None = None
    centred_on: str | None = None
    negatives: int = 0
    background: int = 0
    random: int = 0
    patients: Path | None = None
    min_tissue: float = 0.5
    tissue_density: float = TISSUE_DENSITY
    seed: int = 0
    image_format: ImageFormat = "png"
    allow_dark: bool = False
    tiles_per_shard: int | None = None
    workers: int | None = None
    ray_address: str | None = None
    retry_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRun:
    """A request, checked; no slide was opened yet."""

    request: TileRequest
    spec: TileSpec
    slides: tuple[ListedSlide, ...]


def resolve(request: TileRequest) -> TileRun:
    """Check a request and list its slides.

    Raises:
        AugengineError: It is refused, with the reason and the next step.
    """
    check_address(request.ray_address)
    if request.tiles_per_shard is not None and request.tiles_per_shard < 1:
        raise SpecError(
            f"tiles per shard must be at least 1, got {request.tiles_per_shard}", hint="leave it out for about 256 MB"
        )
    spec = _spec(request)
    if request.annotations is not None and not spec.classes:
        raise SpecError("annotations without classes make no masks", hint="--classes glomerulus=1")
    slides = list_slides(
        request.slides,
        annotations=request.annotations,
        wants_labels=bool(spec.classes),
        patients=None if request.patients is None else Patients.read(request.patients),
    )
    return TileRun(request=request, spec=spec, slides=slides)


def _spec(request: TileRequest) -> TileSpec:
    return TileSpec(
        mpp=request.mpp,
        size=request.size,
        overlap=request.overlap,
        slide_mpp=request.slide_mpp,
        classes=parse_classes(request.classes),
        default_class=None if request.default_class is None else class_key(request.default_class),
        centred_on=None if request.centred_on is None else class_key(request.centred_on),
        negatives=request.negatives,
        background=request.background,
        random=request.random,
        min_tissue=request.min_tissue,
        tissue_density=request.tissue_density,
        seed=request.seed,
        image_format=request.image_format,
        allow_dark=request.allow_dark,
    )


def parse_classes(texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Class names and ids of ``glomerulus=1`` ...; several may stand in one text, with commas between.

    Raises:
        SpecError: A text that is no such pair.
    """
    return tuple(_pair(part) for text in texts for part in text.split(",") if part.strip())


def _pair(text: str) -> tuple[str, int]:
    name, sign, number = text.rpartition("=")
    if not sign or not class_key(name) or not number.strip().isdecimal() or len(number.strip()) > len("255"):
        hint = "--classes glomerulus=1; a name cannot have a comma"
        raise SpecError(f"{text.strip()[:60]!r} is no class with its id", hint=hint)
    return class_key(name), int(number)
