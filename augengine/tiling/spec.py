"""Which tiles of a slide are wanted, and how they are written: a frozen value that checks itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import get_args

from augengine.annotations import class_key
from augengine.digests import json_digest
from augengine.errors import SpecError
from augengine.json_values import to_json
from augengine.pictures.colour import TISSUE_DENSITY
from augengine.spec import MIN_SIDE, SIDE_MULTIPLE, ImageFormat

MAX_SIZE = 4096
BACKGROUND = "background"
NEGATIVE = "negative"
TISSUE = "tissue"
"""What a tile is, in the ``class`` of its json: these, or the class that it is centred on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileOptions:
    """The options of `tile` that decide which tiles there are: a request has them, and the spec that is made of it.

    Without ``centred_on`` and ``random`` the tiles are a grid over the tissue.

    Attributes:
        mpp: um/px of the tiles.
        size: Side of the tiles, in pixels.
        overlap: Overlap between neighbouring tiles of the grid, in pixels.
        default_class: The class of annotated objects without one; None leaves them out, by name.
        centred_on: Class that tiles are centred on, one tile per object.
        negatives: Random tissue tiles without that class, for each of its objects.
        background: Random tiles without tissue, per slide.
        random: Random tissue tiles per slide, instead of a grid.
        min_tissue: Least share of tissue in a tissue tile, in (0, 1].
        tissue_density: Mean optical density from which on there is tissue.
        seed: Random seed; the same seed gives the same tiles.
        image_format: Format of the tiles; png and webp are lossless.
        allow_dark: Take slides with a dark ground, which are fluorescence as a rule; all of them is tissue then.
    """

    mpp: float = 0.5
    size: int = 508
    overlap: int = 0
    default_class: str | None = None
    centred_on: str | None = None
    negatives: int = 0
    background: int = 0
    random: int = 0
    min_tissue: float = 0.5
    tissue_density: float = TISSUE_DENSITY
    seed: int = 0
    image_format: ImageFormat = "png"
    allow_dark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSpec(TileOptions):
    """Which tiles, and how they are written.

    Attributes:
        classes: Class name, as `class_key` gives it, and its id in the masks, 0 ... 255. Several names may share an
            id. Where objects overlap the later class wins; 0 cuts a class out of the earlier ones.
    """

    classes: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        check_mpp(self.mpp, "mpp")
        if not MIN_SIDE <= self.size <= MAX_SIZE or self.size % SIDE_MULTIPLE:
            hint = "508 is the paper's; generators need sides that divide by 4"
            raise SpecError(
                f"a tile's side must be {MIN_SIDE} ... {MAX_SIZE} px and divide by {SIDE_MULTIPLE}, got {self.size}",
                hint=hint,
            )
        if not 0 <= self.overlap < self.size:
            raise SpecError(f"the overlap must be 0 ... {self.size - 1} px, got {self.overlap}")
        if not 0 < self.min_tissue <= 1:
            raise SpecError(f"the least share of tissue must be in (0, 1], got {self.min_tissue}")
        if not 0 < self.tissue_density < 2:
            raise SpecError(f"the tissue threshold is an optical density in (0, 2), got {self.tissue_density}")
        if self.image_format not in get_args(ImageFormat):
            raise SpecError(f"unknown image format {self.image_format!r}", hint="png, jpg or webp")
        self._check_sampling()
        self._check_classes()

    def _check_sampling(self) -> None:
        for name in ("negatives", "background", "random"):
            if not 0 <= (value := getattr(self, name)) <= 10**6:
                raise SpecError(f"{name} must be 0 ... 1000000, got {value}")
        if self.random and self.centred_on:
            raise SpecError("tiles are either random or centred on objects", hint="leave out --random or --centred-on")
        if self.negatives and not self.centred_on:
            raise SpecError("negatives are counted by the object", hint="say --centred-on, or take --random")
        if self.overlap and (self.random or self.centred_on):
            raise SpecError("only tiles of a grid overlap by a number of pixels", hint="leave out --overlap")

    def _check_classes(self) -> None:
        names = [name for name, _ in self.classes]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise SpecError(f"the class {twice[0]!r} is named twice", hint="names are compared without letter case")
        if bad := [number for _, number in self.classes if not 0 <= number <= 255]:
            raise SpecError(f"a class id must be 0 ... 255, got {bad[0]}", hint="id 0 cuts a class out of the others")
        if names and not any(number for _, number in self.classes):
            raise SpecError("every class has the id 0: the masks would be empty", hint="--classes glomerulus=1")
        if bare := [name for name in names if not name or name != class_key(name)]:
            raise SpecError(f"the class {bare[0]!r} is not written as names are compared", hint=class_key(bare[0]))
        if self.centred_on in (BACKGROUND, NEGATIVE, TISSUE):
            hint = f"give the class another name in the annotations; tiles without objects are called {self.centred_on}"
            raise SpecError(f"tiles cannot be centred on a class called {self.centred_on}", hint=hint)
        for wanted in (self.centred_on, self.default_class):
            if wanted is not None and wanted not in names:
                raise SpecError(f"the class {wanted!r} has no id", hint=f"--classes {wanted}=1")
        if dict(self.classes).get(self.centred_on or "") == 0:
            raise SpecError(f"tiles cannot be centred on {self.centred_on}, whose id is 0", hint="give it another id")

    @property
    def digest(self) -> str:
        """Equal for equal specs."""
        return json_digest(to_json(self))


def check_mpp(value: float, name: str) -> None:
    """Refuse um/px that no microscope has.

    Args:
        value: um/px.
        name: How the option is called, for the message.

    Raises:
        SpecError: Not in (0, 100).
    """
    if not 0 < value < 100:
        raise SpecError(f"{name} must be in (0, 100) um/px, got {value}", hint="0.5 is that of a 20x slide")
