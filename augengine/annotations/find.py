"""Which file annotates a slide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from augengine.errors import SourceError
from augengine.sample import folded

_OUTLINES = ("geojson", "json", "xml", "roi", "rois.zip")
_UNREAD = ("annotations", "ndpa", "gpkg")
"""Files of HALO, of Hamamatsu and of GIS programs: taken only where no other file annotates the slide."""

_OTHERS = ("csv", "tsv", "zip", "png", "tif", "tiff")
_WORDS = tuple(
    sign + word
    for sign in "._-"
    for word in ("annotation", "annotations", "label", "labels", "mask", "masks", "roi", "rois")
)

_ByName = Mapping[str, list[tuple[str, Path]]]
"""Folded name of a slide -> that name as an annotation file has it, and the file."""


def find_labels(slide: Path, folder: Path | None) -> Path | None:
    """The annotation file of a slide, by its name; None if there is none.

    For ``s1.svs`` (or ``s1.ome.tif``) that is ``s1`` or ``s1.svs``, then perhaps ``_mask``, ``_labels``,
    ``_annotations`` or ``_rois`` (``-`` and ``.`` do as well), then an extension: geojson, json, xml, roi, rois.zip,
    zip, csv, tsv, png, tif or tiff. Beside the slide a picture, table or zip needs such a word, since thumbnails and
    packed slides lie there too. A file that has the slide's name in another letter case or Unicode form is taken where
    none has it as it is written.

    Args:
        slide: The slide's file.
        folder: Where its annotations are; None looks beside the slide.

    Raises:
        SourceError: Two files fit, or the folder cannot be read.
    """
    return LabelFinder(folder).find(slide)


class LabelFinder:
    """Finds the annotation files of many slides; it reads each folder once.

    Args:
        folder: Where the annotations are, in folders as the slides or without; None looks beside each slide.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_folder: dict[Path, _ByName] = {}

    def find(self, slide: Path, below: str = "") -> Path | None:
        """The annotation file of a slide, or None; see `find_labels`.

        Args:
            slide: The slide's file.
            below: Folder of the slide below the one that the user named; the annotations may lie in one of that name.
        """
        found = self.candidates(slide, below)
        if len(found) > 1:
            named = ", ".join(file.name for file in found[:3])
            hint = "keep one of them there, and move the others away"
            place = self.place(slide, below)
            raise SourceError(f"{slide.name} has {len(found)} annotation files in {place}: {named}", hint=hint)
        return found[0] if found else None

    def candidates(self, slide: Path, below: str = "") -> list[Path]:
        """All files that can annotate a slide, in the order of their names; see `find`."""
        place, names = self.place(slide, below), (slide.name, slide.stem, slide.stem.removesuffix(".ome"))
        if place not in self._by_folder:
            self._by_folder[place] = _by_name(place, beside=self._folder is None)
        by_name = self._by_folder[place]
        fits = [pair for name in dict.fromkeys(map(folded, names)) for pair in by_name.get(name, ())]
        exact = [pair for pair in fits if pair[0] in names]
        found = sorted({file for _, file in exact or fits if _may_be(file, slide)})
        return [file for file in found if not _is_unread(file)] or found

    def place(self, slide: Path, below: str = "") -> Path:
        """The folder in which the annotations of a slide are looked for."""
        if self._folder is None:
            return slide.parent
        return own if (own := self._folder / below).is_dir() else self._folder


def _by_name(folder: Path, *, beside: bool) -> _ByName:
    found: dict[str, list[tuple[str, Path]]] = {}
    try:
        for file in folder.iterdir():
            for name in _slide_names(file.name, beside=beside):
                found.setdefault(folded(name), []).append((name, file))
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be read: {error.strerror or error}", hint="check it") from error
    return found


def _slide_names(name: str, *, beside: bool) -> Iterator[str]:
    """What the slides can be called that a file of this name annotates."""
    for ending in (*_OUTLINES, *_UNREAD, *_OTHERS):
        stem, dot = name[: -len(ending) - 1], name[-len(ending) - 1 :].casefold()
        if dot != f".{ending}" or not stem:
            continue
        if ending not in _OTHERS or not beside:
            yield stem
        yield from (stem[: -len(word)] for word in _WORDS if stem.casefold().endswith(word) and stem[: -len(word)])


def _is_unread(file: Path) -> bool:
    return file.suffix.casefold().removeprefix(".") in _UNREAD


def _may_be(file: Path, slide: Path) -> bool:
    return file.is_file() and not (slide.exists() and file.samefile(slide))
