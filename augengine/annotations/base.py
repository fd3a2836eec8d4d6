"""The seam: what labels are, and what a reader hands over for each object that a file draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

from augengine.errors import SpecError
from augengine.pictures.arrays import Mask

Ring = NDArray[np.float64]
"""Vertices (n, 2) of a closed line, x first, in level-0 pixels; the last one is the first again."""


def class_key(name: str) -> str:
    """A class name as it is compared: names that look the same have one key.

    Case is folded, white space is single and not at the ends, and Unicode's form is NFKC: composed as Windows types it
    or decomposed as macOS stores it, full-width, with a no-break space or with an invisible sign in it, it is one
    name. NFC alone would keep the last three apart. The key of a key is the key itself.

    >>> class_key("  Sclerotic  Glomerulus ")
    'sclerotic glomerulus'
    """
    folded = name.casefold()
    if not name.isascii():
        # Unicode's own rule (caseless match of compatible forms) normalises before, between and after.
        visible = "".join(sign for sign in normalize("NFD", name) if category(sign) != "Cf")
        folded = normalize("NFKC", normalize("NFKC", visible.casefold()).casefold())
    return " ".join(folded.split())


_INSIDE = ": "  # QuPath writes a class, this, and its sub-class
_MAX_DEPTH = 16  # sub-classes of sub-classes; a name with more signs of this kind is a name


def lineage(name: str, groups: Sequence[str] = ()) -> tuple[str, ...]:
    """A class, then each class that contains it, the nearest first. All are names as `class_key` gives them.

    "Glomerulus: sclerosed" is a sub-class of "Glomerulus", as QuPath writes it.

    Args:
        name: The class.
        groups: Classes that contain it by other means than its name, the nearest first.

    >>> lineage("Glomerulus: Sclerosed", ["Lesion"])
    ('glomerulus: sclerosed', 'glomerulus', 'lesion')
    """
    return tuple(dict.fromkeys(key for each in (name, *groups) for key in _prefixes(class_key(each)) if key))


def _prefixes(key: str) -> list[str]:
    parts = key.split(_INSIDE, _MAX_DEPTH)
    return [key] if len(parts) > _MAX_DEPTH else [_INSIDE.join(parts[:n]) for n in range(len(parts), 0, -1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The bounds of one annotated object, in level-0 pixels; (0, 0) is the slide's top left corner.

    It may reach beyond the slide, as the object does.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.left <= self.right and self.top <= self.bottom):
            raise SpecError(f"a box from ({self.left}, {self.top}) to ({self.right}, {self.bottom}) is inside out")

    @property
    def x(self) -> float:
        """The box's centre, from the left."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """The box's centre, from the top."""
        return (self.top + self.bottom) / 2


class Labels(Protocol):
    """The annotated objects of one slide, as masks of class ids, as boxes and as outlines.

    It knows no tiles and no um/px: frames are level-0 pixels, y downwards. Names are compared by `class_key`. An
    object of a sub-class is one of the classes above it too (`lineage`); where a mask is asked for several of them, it
    is drawn as the nearest one alone.
    """

    @property
    def classes(self) -> frozenset[str]:
        """The classes that have objects, as `class_key` gives them.

        A sub-class counts for the classes that contain it.
        """
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What was skipped and why, a sentence each, in file order."""
        ...

    def mask(
        self, x: float, y: float, *, downsample: float, height: int, width: int, classes: Mapping[str, int]
    ) -> Mask:
        """The class ids of a tile, uint8 (height, width); 0 where none of ``classes`` is.

        A pixel has a class if its centre lies inside, holes excepted; a centre on an edge belongs to the area right
        of it or below. Where objects of different classes overlap, the later class in ``classes`` wins. An object of
        a sub-class has the id of the nearest class that is asked for, wherever that stands in ``classes``.

        Args:
            x, y: The tile's top left corner, in level-0 pixels; it may lie outside the slide.
            downsample: Level-0 pixels that one of the tile's pixels is wide.
            height, width: The tile, in its own pixels.
            classes: Class name -> id, 0 to 255; 0 cuts a class out of earlier ones. Unknown names do nothing.

        Raises:
            SpecError: An id outside 0 to 255, a tile without pixels, or numbers that are not finite.
            ContentError: A mask image that turns out to be damaged where it is read.
        """
        ...

    def objects(self, name: str) -> tuple[Box, ...]:
        """A box for each object of a class and of its sub-classes, in file order; none if the class is unknown."""
        ...

    def counts(self, asked: Iterable[str]) -> dict[str, int]:
        """How many objects a mask of these classes draws of each, and how many of which class it leaves out.

        Every object counts once: for the nearest class that is asked for, else for its own.

        Returns:
            The classes asked for in their order, with 0 where there is none, then those left out in order of their
            names; all as `class_key` gives them.
        """
        ...

    def outlines(self, name: str) -> tuple[Ring, ...]:
        """The outlines of a class and of its sub-classes: outer rings and holes, in file order.

        The objects of a mask image are drawn by their boxes. A ring may reach beyond the slide.
        """
        ...

    @property
    def skipped(self) -> tuple[Ring, ...]:
        """The rings of objects that were left out though they have an area: without a class, or outside the slide."""
        ...


Rule = Literal["union", "even-odd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One object as its file draws it, unchecked.

    Attributes:
        where: How messages call it, such as ``feature 3``.
        name: Its class as written; None or blank if it has none.
        groups: The classes that contain its class, from the nearest, where the name does not say so itself.
        polygons: Each an outer ring, then its holes. A ring is two or more numbers a vertex, in level-0 pixels,
            y downwards, closed or not.
        minus: Rings whose areas are taken out of it.
        rule: How its polygons add up.
        origin: Where its coordinates count from, (x, y) in level-0 pixels.
        reason: Why it has no area, after "it"; empty if it has one.
    """

    where: str
    name: str | None
    groups: Sequence[str] = ()
    polygons: Sequence[Sequence[Any]] = ()
    minus: Sequence[Any] = ()
    rule: Rule = "union"
    origin: tuple[float, float] = (0.0, 0.0)
    reason: str = ""


def nearest(classes: Sequence[str], asked: Container[str]) -> str | None:
    """The class that an object of a `lineage` is drawn as; None if it is not drawn."""
    return next((name for name in classes if name in asked), None)


def count_by_class(objects: Iterable[Sequence[str]], asked: Iterable[str]) -> dict[str, int]:
    """Implement `Labels.counts` for objects of these lineages."""
    counts = dict.fromkeys(map(class_key, asked), 0)
    left: Counter[str] = Counter()
    for classes in objects:
        if (name := nearest(classes, counts)) is None:
            left[classes[0]] += 1
        else:
            counts[name] += 1
    return counts | dict(sorted(left.items()))


def check_tile(x: float, y: float, downsample: float, height: int, width: int, classes: Mapping[str, int]) -> None:
    """Refuse what `Labels.mask` cannot draw.

    Raises:
        SpecError: An id outside 0 to 255, a tile without pixels, or numbers that are not finite.
    """
    if not (abs(x) < float("inf") and abs(y) < float("inf") and 0 < downsample < float("inf")):
        raise SpecError(f"a tile at ({x}, {y}) with downsample {downsample} has no place on a slide")
    if height < 1 or width < 1:
        raise SpecError(f"a tile of {width} x {height} px has no pixels")
    if bad := {name: value for name, value in classes.items() if not 0 <= value <= 255}:
        raise SpecError(f"class ids must be 0 to 255, got {bad}", hint="masks are 8-bit")
