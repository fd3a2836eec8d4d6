"""Which file annotates a slide."""

from __future__ import annotations

import re
from pathlib import Path

from augengine.errors import SourceError

_OUTLINES = ("geojson", "json", "xml", "roi", "rois.zip")
_OTHERS = ("csv", "tsv", "zip", "png", "tif", "tiff")
_WORDS = ("annotation", "annotations", "label", "labels", "mask", "masks", "roi", "rois")


def find_labels(slide: Path, folder: Path | None) -> Path | None:
    """The annotation file of a slide, by its name; None if there is none.

    For ``s1.svs`` (or ``s1.ome.tif``) that is ``s1`` or ``s1.svs``, then perhaps ``_mask``, ``_labels``,
    ``_annotations`` or ``_rois`` (``-`` and ``.`` do as well), then an extension: geojson, json, xml, roi, rois.zip,
    zip, csv, tsv, png, tif or tiff. Beside the slide a picture, table or zip needs such a word, since thumbnails and
    packed slides lie there too.

    Args:
        slide: The slide's file.
        folder: Where its annotations are; None looks beside the slide.

    Raises:
        SourceError: Two files fit, or the folder cannot be read.
    """
    place, pattern = folder or slide.parent, _pattern(slide, beside=folder is None)
    try:
        found = sorted(file for file in place.iterdir() if pattern.fullmatch(file.name) and _may_be(file, slide))
    except OSError as error:
        raise SourceError(f"the folder {place} cannot be read: {error.strerror or error}", hint="check it") from error
    if len(found) > 1:
        named = ", ".join(file.name for file in found[:3])
        hint = "keep one of them there, and move the others away"
        raise SourceError(f"{slide.name} has {len(found)} annotation files in {place}: {named}", hint=hint)
    return found[0] if found else None


def _pattern(slide: Path, *, beside: bool) -> re.Pattern[str]:
    stem = "|".join(re.escape(name) for name in (slide.name, slide.stem, slide.stem.removesuffix(".ome")))
    word = rf"[._-](?:{'|'.join(_WORDS)})"
    outlines, others = "|".join(map(re.escape, _OUTLINES)), "|".join(_OTHERS)
    endings = rf"(?:(?i:{word})?\.(?i:{outlines})|(?i:{word}){'' if beside else '?'}\.(?i:{others}))"
    return re.compile(rf"(?:{stem}){endings}")


def _may_be(file: Path, slide: Path) -> bool:
    return file.is_file() and not (slide.exists() and file.samefile(slide))
