"""Which of the objects that a file draws can be used, and why the others cannot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import shapely
from shapely.geometry.base import BaseGeometry

from augengine.annotations.base import Drawn, lineage
from augengine.annotations.crossings import Crossings
from augengine.annotations.geometry import area
from augengine.annotations.outlines import Outline, OutlineLabels
from augengine.errors import ContentError, SourceError
from augengine.sample import printable

MAX_VERTICES = 1 << 25
"""Vertices of all objects of a slide, half a gigabyte. Circles need the limit: a short line stands for thousands."""

_MAX_PROBLEM_CHARACTERS = 200  # characters that a problem takes over from a file
_MAX_REASONS = 3  # that a refusal lists
_DETAIL = re.compile(r" \(|:")  # from here on a reason speaks of its own object
_HINT = "draw closed outlines (polygons, rectangles, ellipses) and export again; an empty GeoJSON says there are none"


def outline_labels(
    drawn: Iterable[Drawn],
    *,
    slide_width: int,
    slide_height: int,
    default_class: str | None,
    what: str = "the annotations",
) -> OutlineLabels:
    """Labels from what a file draws; an object that cannot be used becomes a problem.

    Args:
        drawn: In file order; none at all is no error.
        slide_width, slide_height: In level-0 pixels; objects wholly outside are problems.
        default_class: The class of objects without one; None makes them problems.
        what: The file, for the message.

    Raises:
        ContentError: There are objects, and none of them can be used.
        SourceError: They have more than `MAX_VERTICES` together, or cross themselves too often.
    """
    found = _Objects(slide_width, slide_height, default_class)
    for each in drawn:
        found.add(each)
    found.check(what)
    return OutlineLabels(found.outlines, found.problems, found.skipped)


class _Objects:
    """The objects of one file, the usable ones apart from the others."""

    def __init__(self, slide_width: int, slide_height: int, default_class: str | None) -> None:
        self._width, self._height, self._default = slide_width, slide_height, default_class or ""
        self._crossings, self._vertices = Crossings(), 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, tuple[str, str]] = {}  # reason -> one object's own, and its hint
        self.outlines: list[Outline] = []
        self.problems: list[str] = []
        self.skipped: list[BaseGeometry] = []

    def add(self, drawn: Drawn) -> None:
        """Take up an object, or note why it cannot be used."""
        try:
            found = area(drawn, self._crossings)
        except ContentError as error:
            self._note(drawn.where, error)
            return
        self._count(found)
        try:
            self.outlines.append(self._outline(found, drawn))
        except ContentError as error:
            self.skipped.append(found)
            self._note(drawn.where, error)

    def _outline(self, found: BaseGeometry, drawn: Drawn) -> Outline:
        left, top, right, bottom = found.bounds
        if right <= 0 or bottom <= 0 or left >= self._width or top >= self._height:
            place = f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f}"
            message = f"it lies outside the slide of {self._width} x {self._height} px ({place})"
            raise ContentError(message, hint="is this the annotation of that slide, in its level-0 pixels?")
        if right - left < 1 and bottom - top < 1:
            size = f"{right - left:.2g} x {bottom - top:.2g} px"
            hint = "are its coordinates level-0 pixels, and not millimetres or shares of the slide's width?"
            raise ContentError(f"it is smaller than a pixel ({size})", hint=hint)
        classes = lineage(drawn.name or "", drawn.groups) or lineage(self._default)
        if not classes:
            hint = "give the objects a class, or say what they are: --default-class NAME"
            raise ContentError("it has no class, and no default class was given", hint=hint)
        return Outline(classes, found)

    def _count(self, found: BaseGeometry) -> None:
        self._vertices += int(shapely.get_num_coordinates(found))
        if self._vertices > MAX_VERTICES:
            message = f"the annotations have more than {MAX_VERTICES} vertices"
            raise SourceError(message, hint="export the objects that you need")

    def _note(self, where: str, error: ContentError) -> None:
        where, why = (printable(text[:_MAX_PROBLEM_CHARACTERS]) for text in (where, error.message))
        self.problems.append(f"{where} was skipped: {why}")
        reason = _DETAIL.split(why)[0]
        self._reasons[reason] += 1
        self._examples[reason] = why, error.hint

    def check(self, what: str) -> None:
        """Refuse a file that has objects of which none can be used: a mask without them would be wrong."""
        if self.outlines or not self.problems:
            return
        common = self._reasons.most_common(_MAX_REASONS)
        own, hint = self._examples[common[0][0]]
        if len(self.problems) == 1:
            raise ContentError(f"the only object in {what} cannot be used: {own}", hint=hint or _HINT)
        reasons = [f"{reason} ({times})" for reason, times in common]
        if others := len(self.problems) - sum(times for _, times in common):
            reasons.append(f"other reasons ({others})")
        message = f"none of the {len(self.problems)} objects in {what} can be used: {'; '.join(reasons)}"
        raise ContentError(message, hint=hint or _HINT)
