"""Where samples come from: a folder of images, tars, or the sample set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from augengine.errors import SourceError
from augengine.shards.read import IMAGE_EXTS
from augengine.sources.base import Source
from augengine.sources.folder import FolderSource
from augengine.sources.sample_set import STAIN, SampleSet
from augengine.sources.tars import TarsSource, expand, tars_below
from augengine.sources.trees import tree_of
from augengine.storage import check_no_credentials, is_url

__all__ = ["FolderSource", "SampleSet", "Source", "TarsSource", "open_source", "source_from_json"]

_SLIDE_EXTS = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm", ".czi")
_FILE_EXTS = (".tar", *_SLIDE_EXTS, *(f".{extension}" for extension in IMAGE_EXTS))
_CUT = "cut it into source shards first: `augengine tile`"
_CUT_URL = "copy it to a disk, since slide readers need files, and cut it into source shards: `augengine tile`"
_GIVE = "give --in a folder of images, or source shards (shards-{000000..000009}.tar)"


def open_source(text: str | None, *, stain: str, masks: str | None = None, mask_suffix: str = "_mask") -> Source:
    """The source that a user means; nothing of it is read yet.

    Args:
        text: A folder of images or of tars, a tar, a brace pattern, a glob, or one of these by URL; None for the
            sample set, which serves the stain cd68.
        stain: Name of the stain.
        masks: A folder of masks parallel to a folder of images, or its URL.
        mask_suffix: What a mask beside its image has after the image's name.

    Raises:
        SourceError: There is no such thing, or it is ambiguous.
    """
    for url in (text, masks):
        if url is not None and is_url(url):
            check_no_credentials(url)
    source = _open(text, stain, masks, mask_suffix)
    if masks is not None and not isinstance(source, FolderSource):
        raise SourceError("--masks goes with a folder of images", hint="tars hold masks as seg.png members")
    return source


def _open(text: str | None, stain: str, masks: str | None, mask_suffix: str) -> Source:
    if text is None:
        return _sample_set(stain)
    if Path(text).is_dir():
        return _open_folder(str(Path(text).absolute()), masks, mask_suffix)
    if "://" in text and not _is_pattern(text) and PurePosixPath(text).suffix.lower() not in _FILE_EXTS:
        return _open_folder(text.rstrip("/"), masks, mask_suffix)
    return TarsSource(urls=tuple(_check_tar(url) for url in (expand(text) if _is_pattern(text) else [text])))


def _sample_set(stain: str) -> SampleSet:
    if stain != STAIN:
        raise SourceError(f"the sample set is tissue of {STAIN}, so {stain} needs images of its own", hint=_GIVE)
    return SampleSet()


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "{*?[")


def _check_tar(url: str) -> str:
    path = PurePosixPath(url)
    if not is_url(url) and not Path(url).exists():
        raise SourceError(f"there is no {url}", hint=_GIVE)
    if path.suffix.lower() in _SLIDE_EXTS:
        raise SourceError(f"{url} is a slide", hint=_CUT_URL if is_url(url) else _CUT)
    if path.suffix.lower() != ".tar":
        is_image = path.suffix[1:].lower() in IMAGE_EXTS
        hint = f"give its folder, {url.rpartition('/')[0] or '.'}" if is_image else _GIVE
        raise SourceError(f"{url} is no tar", hint=hint)
    return url if is_url(url) else str(Path(url).absolute())


def _open_folder(folder: str, masks: str | None, mask_suffix: str) -> Source:
    if masks is not None and not is_url(masks) and not Path(masks).is_dir():
        raise SourceError(f"there is no folder {masks}", hint="--masks is a folder parallel to that of the images")
    tars = tars_below(folder)
    images = any(PurePosixPath(name).suffix[1:].lower() in IMAGE_EXTS for name in tree_of(folder).names())
    if tars and images:
        hint = f"say which is meant: --in '{folder}/*.tar', or move the images into a folder of their own"
        raise SourceError(f"{folder} holds both images and tars", hint=hint)
    if tars:
        return TarsSource(urls=tars)
    if not images:
        raise SourceError(f"{folder} holds neither images ({', '.join(IMAGE_EXTS)}) nor tars", hint=_GIVE)
    return FolderSource(folder=folder, masks=_whole(masks), mask_suffix=mask_suffix)


def _whole(masks: str | None) -> str | None:
    """The masks' folder, wherever another process starts."""
    if masks is None:
        return None
    return masks.rstrip("/") if is_url(masks) else str(Path(masks).absolute())


def source_from_json(data: Mapping[str, Any]) -> Source:
    """The source whose `to_json` this is.

    Raises:
        SourceError: An unknown kind.
    """
    try:
        return _from_json(data)
    except (TypeError, KeyError) as error:
        hint = "was the plan written by a later version?"
        raise SourceError(f"the plan's source has unknown or missing fields: {error}", hint=hint) from error


def _from_json(data: Mapping[str, Any]) -> Source:
    values = {name: value for name, value in data.items() if name != "kind"}
    match data.get("kind"):
        case FolderSource.kind:
            return FolderSource(**values)
        case TarsSource.kind:
            return TarsSource(urls=tuple(values["urls"]))
        case SampleSet.kind:
            return SampleSet()
        case kind:
            raise SourceError(
                f"the plan has a source of the unknown kind {kind!r}", hint="was it written by a later version?"
            )
