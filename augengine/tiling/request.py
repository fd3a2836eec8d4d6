"""What a user asks `tile` for, and what it makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.annotations import class_key
from augengine.errors import SpecError
from augengine.fleet import check_address
from augengine.spec import asked, options_of, set_paths, typed_command
from augengine.storage import AnyPath, path_of
from augengine.tiling.listing import Given, Listed, ListedSlide, list_slides
from augengine.tiling.patients import Patients
from augengine.tiling.spec import TileOptions, TileSpec, check_mpp

_AFTER_ID = re.compile(r"(=\s*\d+\s*),")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRequest(TileOptions):
    """What a user asks `tile` for; the command line's options, one to one.

    Attributes:
        slides: Files, folders that are searched, globs. Paths may be given as texts, and one thing without a tuple.
        out: Folder of the source shards.
        annotations: Folder of annotation files; None looks beside each slide, if there are classes.
        classes: ``name=id`` each, or several with commas between.
        patients: CSV file with the columns file, patient and split, and perhaps mpp.
        slide_mpp: um/px of level 0 of slides that do not say it.
        force_slide_mpp: um/px of level 0 of all slides, whatever they say.
        tiles_per_shard: None for about 256 MB.
        workers: How many; None for one in every eight cores.
        ray_address: A running cluster.
        retry_failed: Make shards anew that lack samples.
    """

    slides: tuple[str, ...]
    out: AnyPath
    annotations: Path | None = None
    classes: tuple[str, ...] = ()
    patients: Path | None = None
    slide_mpp: float | None = None
    force_slide_mpp: float | None = None
    tiles_per_shard: int | None = None
    workers: int | None = None
    ray_address: str | None = None
    retry_failed: bool = False

    def __post_init__(self) -> None:
        set_paths(self, ("out",), path_of)
        set_paths(self, ("annotations", "patients"), Path)
        for name in ("slides", "classes"):
            value = getattr(self, name)
            object.__setattr__(self, name, (str(value),) if isinstance(value, str | Path) else tuple(map(str, value)))

    def command(self) -> str:
        """The command line that cuts the same tiles, into a folder that it does not name."""
        return typed_command("augengine tile", self, renamed=_OPTIONS, untold=_UNTOLD, named=self.slides)


_OPTIONS = {"image_format": "--format", "patients": "--split"}
_UNTOLD = ("slides", "out", "workers", "ray_address", "retry_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRun:
    """A request, checked; no slide was opened yet."""

    request: TileRequest
    spec: TileSpec
    listed: Listed

    @property
    def slides(self) -> tuple[ListedSlide, ...]:
        """The slides, in order."""
        return self.listed.slides


def as_request(request: TileRequest | None, options: Mapping[str, Any]) -> TileRequest:
    """A request, or the one that its fields as keywords make; errors as in `asked`."""
    return asked(TileRequest, request, options)


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
    given = Given(
        annotations=request.annotations,
        wants_labels=bool(spec.classes),
        patients=None if request.patients is None else Patients.read(request.patients),
        mpp=_checked_mpp(request.force_slide_mpp, "force-slide-mpp"),
        mpp_if_unstated=_checked_mpp(request.slide_mpp, "slide-mpp"),
    )
    return TileRun(request=request, spec=spec, listed=list_slides(request.slides, given))


def _checked_mpp(value: float | None, name: str) -> float | None:
    if value is not None:
        check_mpp(value, name)
    return value


def _spec(request: TileRequest) -> TileSpec:
    named = {name: _class_key(getattr(request, name)) for name in ("default_class", "centred_on")}
    options = options_of(TileOptions, request) | named
    return TileSpec(classes=parse_classes(request.classes), **options)


def _class_key(name: str | None) -> str | None:
    return None if name is None else class_key(name)


def parse_classes(texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Class names and ids of ``glomerulus=1`` ...; several may stand in one text, with commas between.

    A comma parts two classes after an id alone, for names have commas too: ``glomerulus, sclerosed=1``.

    Raises:
        SpecError: A text that is no such pair.
    """
    return tuple(_pair(part) for text in texts for part in _AFTER_ID.sub("\\1\n", text).split("\n") if part.strip())


def _pair(text: str) -> tuple[str, int]:
    name, sign, number = text.rpartition("=")
    if not sign or not class_key(name) or not number.strip().isdecimal() or len(number.strip()) > len("255"):
        raise SpecError(f"{text.strip()[:60]!r} is no class with its id", hint="--classes glomerulus=1")
    return class_key(name), int(number)
