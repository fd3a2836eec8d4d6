"""The classes of a run over all its slides: what was asked for, what was found, and what nobody asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from augengine.errors import SourceError
from augengine.jobs import Report
from augengine.progress import counted
from augengine.tiling.spec import TileSpec
from augengine.tiling.survey import Survey

_SHOWN = 8
_FAILED_SHOWN = 3
_NEAR = 0.8
"""Likeness from which on a name may be a typing error or the plural of another: glomeruli and glomerulus have 0.84."""

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How often a class is annotated.

    Attributes:
        objects: Its objects on all slides; those of a sub-class that is asked for too count there alone.
        slides: Slides that have any, of a sub-class included.
        id: Its id in the masks; None if nobody asked for it.
    """

    objects: int
    slides: int
    id: int | None = None


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """The classes of a run by name: those asked for in that order, zero included, then the others by frequency.

    Attributes:
        by_name: Empty if no annotations were read.
        slides: Slides whose annotations were read.
    """

    by_name: Mapping[str, ClassCount]
    slides: int

    @property
    def asked(self) -> dict[str, ClassCount]:
        """The classes that have an id."""
        return {name: count for name, count in self.by_name.items() if count.id is not None}

    @property
    def others(self) -> dict[str, int]:
        """Objects of the classes that nobody asked for."""
        return {name: count.objects for name, count in self.by_name.items() if count.id is None}

    def objects_of(self, name: str) -> int:
        """The objects of a class; 0 if no annotations were read."""
        return self.by_name[name].objects if name in self.by_name else 0

    def missing(self) -> list[str]:
        """Classes asked for that are on no slide; of several names for one id, one that is found is enough."""
        found = {count.id for count in self.by_name.values() if count.slides}
        return [name for name, count in self.asked.items() if count.id not in found]

    def sentence(self) -> str:
        """Say how many objects there are, for the end of a line; empty if no annotations were read."""
        if not self.asked:
            return ""
        objects = (
            f"{count.objects} {name}" + (f" on {count.slides} of {self.slides} slides" if self.slides > 1 else "")
            for name, count in self.asked.items()
        )
        others = f"; not asked for: {_listed(self.others)}" if self.others else ""
        return f"objects: {', '.join(objects)}{others}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        asked = {name: asdict(count) for name, count in self.asked.items()}
        return {"classes": asked, "classes_not_asked_for": self.others}


def count_classes(surveys: Sequence[Survey], spec: TileSpec) -> ClassCounts:
    """Count the annotated objects of all slides by class."""
    read = [survey for survey in surveys if survey.objects is not None]
    objects, slides = Counter[str](), Counter[str]()
    for survey in read:
        found = survey.objects or {}
        objects.update(found)
        slides.update({*survey.present, *(name for name, number in found.items() if number)})
    ids = dict(spec.classes)
    others = [name for name, number in objects.most_common() if name not in ids and number]
    names = (*(ids if read else ()), *others)
    return ClassCounts(
        {name: ClassCount(objects=objects[name], slides=slides[name], id=ids.get(name)) for name in names}, len(read)
    )


def class_notes(surveys: Sequence[Survey], spec: TileSpec) -> Iterator[str]:
    """Say which names were found nowhere though their id was, and which classes resemble one that was asked for."""
    counts = count_classes(surveys, spec)
    for name, count in counts.asked.items():
        if not count.slides and any(other.slides for other in counts.by_name.values()):
            yield f"the class {name!r} is on no slide"
    for name, objects in counts.others.items():
        if near := _spelt_alike(name, counts.asked):
            option = f'--classes "{name}={counts.asked[near[0]].id}"'
            yield f"{name} resembles {near[0]} and was not drawn ({counted(objects, 'object')}); {option} would add it"


def unseen_ids(reports: Sequence[Report], surveys: Sequence[Survey], spec: TileSpec) -> Iterator[str]:
    """Say which ids have objects and no mask pixel, once all shards are made."""
    seen = {number for report in reports for number, pixels in report.class_pixels.items() if pixels}
    counts = count_classes(surveys, spec)
    objects = Counter[int]()
    for name, number in spec.classes:
        objects[number] += counts.objects_of(name)
    why = "no tile shows them" if spec.random else "a later class covers them, or they are smaller than a pixel"
    for number in sorted(set(objects) - seen - {0}):
        if objects[number]:
            names = " and ".join(name for name, own in spec.classes if own == number)
            drawn = f"{counted(objects[number], 'object')} of {names}"
            yield f"no mask has a pixel of id {number}, though there are annotations ({drawn}): {why}"


def check_classes(surveys: Sequence[Survey], spec: TileSpec) -> None:
    """Refuse a class that is on no slide: its masks would be empty without anybody noticing.

    Where nothing at all is annotated, on slides that say so by empty files, only tiles centred on it are refused.

    Raises:
        SourceError: It names the class and the classes that were seen.
    """
    counts = count_classes(surveys, spec)
    seen = {name: count.objects for name, count in counts.by_name.items() if count.objects}
    missing = counts.missing()
    if not missing or not (seen or spec.centred_on in missing):
        return
    names, unread = ", ".join(map(repr, missing)), _unread(surveys)
    if not seen:
        hint = "look at the annotations, or leave out --centred-on"
        raise SourceError(f"nothing is annotated on any slide, so no tile is centred on {names}{unread}", hint=hint)
    what = f"the class {names} is" if len(missing) == 1 else f"the classes {names} are"
    raise SourceError(f"{what} on no slide; annotated are {_listed(seen)}{unread}", hint=_hint(missing, seen, spec))


def _unread(surveys: Sequence[Survey]) -> str:
    """The slides that could not be looked at, for the end of a message: what is missing may be on them."""
    failed = [f"{survey.slide.key}: {survey.error}" for survey in surveys if survey.error]
    if not failed:
        return ""
    more = f" and {len(failed) - _FAILED_SHOWN} more" if len(failed) > _FAILED_SHOWN else ""
    return f"; it may be on slides that failed: {'; '.join(failed[:_FAILED_SHOWN])}{more}"


def _spelt_alike(name: str, asked: Iterable[str]) -> list[str]:
    """The class that was asked for of which a name may be another spelling; numbered ones are classes of their own."""
    others = [each for each in asked if _DIGITS.sub("", each) != _DIGITS.sub("", name)]
    return get_close_matches(name, others, n=1, cutoff=_NEAR)


def _hint(missing: Sequence[str], seen: Mapping[str, int], spec: TileSpec) -> str:
    """The option as it was probably meant."""
    ids = dict(spec.classes)
    unused = [name for name in seen if name not in ids]
    meant = {name: get_close_matches(name, unused, n=1, cutoff=0.6) or unused[:1] for name in missing}
    options = [f'--classes "{found[0]}={ids[name]}"' for name, found in meant.items() if found]
    return f"perhaps {' '.join(options)}, or leave it out" if options else "leave it out"


def _listed(objects: Mapping[str, int]) -> str:
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(_pairs(objects)) + more


def _pairs(objects: Mapping[str, int]) -> Iterator[str]:
    return (f"{number} {name}" for name, number in list(objects.items())[:_SHOWN])
