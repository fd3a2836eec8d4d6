"""What to augment and how: frozen values that check themselves."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, get_args

from augengine.errors import SpecError

ImageFormat = Literal["png", "jpg", "webp"]
Precision = Literal["float32", "float16", "bfloat16", "int8"]
Method = Literal["stain", "shuffle"]
"""How variants are made: by way of the reference stain, with noise there; or by markers shuffled in the picture."""

BackendName = Literal["auto", "openvino", "tensorrt", "torch"]
RequestT = TypeVar("RequestT")

MIN_SIDE = 16
MAX_SIDE = 1 << 15
"""Longest side of an image that any command decodes, in pixels; one that is square takes 3.2 GB decoded."""

MAX_WEBP_SIDE = 16383
"""Longest side of a webp, in pixels. Source: WEBP_MAX_DIMENSION of libwebp, which encodes them."""

MASK_SUFFIX = "_mask"
"""What the name of a mask has after the name of its image, unless the user says otherwise."""

SIDE_MULTIPLE = 4
"""A generator halves an image twice, so its sides divide by 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSpec:
    """Zero-mean Gaussian noise on the intermediate translation.

    Attributes:
        eps: Upper bound of the standard deviation, in units of the [-1, 1] image range. Each variant
            draws sigma uniformly from (0, eps]. Source: section 3 of the paper (ISBI 2021).
        seed: Root of every draw; the same seed gives the same dataset.
    """

    eps: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.eps <= 2:
            raise SpecError(f"eps must be in (0, 2], got {self.eps}", hint="the paper's best value is 0.05")
        _check_seed(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleSpec:
    """Markers moved to other places by colour deconvolution, without generators.

    Attributes:
        threshold: Chromogen concentration from which on a pixel is marker.
        counterstain, chromogen: Optical densities of both stains in R, G, B.
        seed: Root of every draw; the same seed gives the same dataset.
    """

    threshold: float
    counterstain: tuple[float, float, float]
    chromogen: tuple[float, float, float]
    seed: int = 0

    def __post_init__(self) -> None:
        check_threshold(self.threshold)
        _check_seed(self.seed)


def check_threshold(threshold: float) -> None:
    """Refuse what is no concentration above 0.

    Raises:
        SpecError: It is not.
    """
    if not 0 < threshold < math.inf:
        raise SpecError(
            f"a marker threshold is a concentration above 0, got {threshold}",
            hint="leave it out: Otsu's method finds one, and `augengine probe` prints it",
        )


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise SpecError(f"seed must be in [0, 2**63), got {seed}", hint="any whole number from 0 on will do")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """Which variants are left out because their tissue is no longer that of their source.

    Attributes:
        least: Least structural similarity (SSIM) between the counterstain of a source and that of its variant, in
            [0, 1]. Variants below it are left out; 0 leaves none out, though a similarity may be negative.
        counterstain, chromogen: Optical densities of both stains in R, G, B. They tell the counterstain from the
            markers, which may move.
    """

    least: float
    counterstain: tuple[float, float, float]
    chromogen: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            hint = "0 leaves nothing out and writes each variant's value into its json"
            raise SpecError(f"gate must be in [0, 1], got {self.least}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """The options of a run that decide a dataset's content: a request has them, and the spec that is made of it.

    Attributes:
        variants: Variants of each source sample (K); they cost 1 + K passes.
        include_source: Write the source too, as ``k-v0000``.
        image_format: Format of the images written; png and webp are lossless.
        mpp: um/px of the source where its own json does not say; None if unknown.
        allow_mpp: Accept a um/px more than 20 % off the generators' own.
        skip_classes: Samples of these classes pass through untouched, as ``k-v0000`` alone.
        limit: Only the first samples of the source; None for all.
        max_side: Longest side of an image, in pixels; longer ones are left out, by name.
    """

    variants: int = 1
    include_source: bool = False
    image_format: ImageFormat = "png"
    mpp: float | None = None
    allow_mpp: bool = False
    skip_classes: tuple[str, ...] = ()
    limit: int | None = None
    max_side: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSpec(AugmentOptions):
    """Everything that decides a dataset's content besides its input, its engines and the encoder.

    Attributes:
        stain: Name of the source's stain.
        reference: Name of the stain between (PAS in the paper); empty where markers are shuffled.
        noise: The noise on the intermediate translation; None where markers are shuffled.
        shuffle: How markers are shuffled; None where there is noise.
        gate: Which variants are left out; None keeps all.
    """

    stain: str
    reference: str
    noise: NoiseSpec | None = None
    shuffle: ShuffleSpec | None = None
    gate: GateSpec | None = None

    @property
    def method(self) -> Method:
        """How variants are made."""
        return "stain" if self.shuffle is None else "shuffle"

    @property
    def eps(self) -> float:
        """Upper bound of the noise's standard deviation; 0 where there is no noise."""
        return 0.0 if self.noise is None else self.noise.eps

    @property
    def seed(self) -> int:
        """Root of every draw."""
        drawn = self.noise or self.shuffle
        assert drawn is not None
        return drawn.seed

    def __post_init__(self) -> None:
        if (self.noise is None) == (self.shuffle is None):
            raise SpecError("a dataset is made either with noise or by shuffled markers")
        if not 1 <= self.variants <= 9999:
            raise SpecError(f"variants must be 1 ... 9999, got {self.variants}", hint="--variants 4 is a good start")
        if self.image_format not in get_args(ImageFormat):
            raise SpecError(f"unknown image format {self.image_format!r}", hint="png, jpg or webp")
        if self.mpp is not None and not 0 < self.mpp < 100:
            raise SpecError(f"mpp must be in (0, 100) um/px, got {self.mpp}", hint="0.5 is that of a 20x slide")
        if self.limit is not None and self.limit < 1:
            raise SpecError(f"limit must be at least 1, got {self.limit}", hint="leave out --limit to take all samples")
        if not MIN_SIDE <= self.max_side <= MAX_SIDE:
            hint = "cut larger images into tiles with `augengine tile`"
            raise SpecError(f"max-side must be {MIN_SIDE} ... {MAX_SIDE} px, got {self.max_side}", hint=hint)

        if self.image_format == "webp" and self.max_side > MAX_WEBP_SIDE:
            hint = f"--max-side {MAX_WEBP_SIDE}, or --format png, which is lossless too"
            raise SpecError(f"a side of a webp has at most {MAX_WEBP_SIDE} px, max-side is {self.max_side}", hint=hint)


def round_side(pixels: int, multiple: int = SIDE_MULTIPLE) -> int:
    """The smallest engine side that holds ``pixels``: a multiple of what the generators need, at least 16."""
    return -(-max(MIN_SIDE, pixels) // multiple) * multiple


def options_of(base: type, value: Any) -> dict[str, Any]:
    """The fields that a value shares with ``base``, a dataclass that it derives from, by name."""
    return {field.name: getattr(value, field.name) for field in fields(base)}


def asked(kind: type[RequestT], request: RequestT | None, options: Mapping[str, Any]) -> RequestT:
    """A request, or the one that keywords make.

    Raises:
        SpecError: Both, neither, or a keyword that is no field.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # requests are dataclasses
    if request is not None and options:
        raise SpecError(f"give a {kind.__name__} or its fields as keywords, not both")
    if request is not None:
        return request
    if odd := [name for name in options if name not in known]:
        raise SpecError(f"{kind.__name__} has no field {odd[0]!r}", hint=f"its fields are {', '.join(known)}")
    try:
        return kind(**options)
    except TypeError as error:
        raise SpecError(f"{kind.__name__} lacks fields: {error}", hint=f"its fields are {', '.join(known)}") from error


def typed_command(
    program: str, request: object, *, renamed: Mapping[str, str], untold: Collection[str], named: Sequence[str] = ()
) -> str:
    """The command line that asks for what a request asks for, without what is left at its default.

    Args:
        program: What it begins with.
        request: A dataclass whose fields are the options.
        renamed: Field -> option, where the option is not the field's name with dashes.
        untold: Fields that do not decide what is made.
        named: Arguments that have no option.
    """
    words = [program, *map(shlex.quote, named)]
    own = type(request).__annotations__
    for field in sorted(fields(request), key=lambda each: each.name not in own):  # type: ignore[arg-type]
        value = getattr(request, field.name)
        if field.name in untold or value == field.default:
            continue
        option = renamed.get(field.name, f"--{field.name.replace('_', '-')}")
        for each in value if isinstance(value, tuple) else [value]:
            words.append(option if each is True else f"{option} {shlex.quote(str(each))}")
    return " ".join(words)


def set_paths(request: object, names: Iterable[str], make: Callable[[str], object]) -> None:
    """Turn the fields of a frozen request that are texts into paths, as it is born."""
    for name in names:
        if isinstance(value := getattr(request, name), str):
            object.__setattr__(request, name, make(value))
