"""Where samples come from: a folder of images, tars, or the sample set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augengine.errors import SourceError
from augengine.shards.read import IMAGE_EXTS
from augengine.sources.base import Source
from augengine.sources.folder import FolderSource
from augengine.sources.sample_set import STAINS, SampleSet
from augengine.sources.tars import TarsSource, expand, tars_below
from augengine.storage import check_no_credentials, is_url

__all__ = ["FolderSource", "SampleSet", "Source", "TarsSource", "open_source", "source_from_json"]

_SLIDE_EXTS = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm", ".czi")
_GIVE = "give --in a folder of images, or source shards (shards-{000000..000009}.tar)"


def open_source(text: str | None, *, stain: str, masks: str | None = None, mask_suffix: str = "_mask") -> Source:
    """The source that a user means; nothing of it is read yet.

    Args:
        text: A folder of images or of tars, a tar, a brace pattern, a glob, an URL of tars; None for the sample
            set, which serves the stains hdab and cd68.
        stain: Name of the stain.
        masks: A folder of masks parallel to a folder of images.
        mask_suffix: What a mask beside its image has after the image's name.

    Raises:
        SourceError: There is no such thing, or it is ambiguous.
    """
    if text is not None and is_url(text):
        check_no_credentials(text)
    source = _open(text, stain, masks, mask_suffix)
    if masks is not None and not isinstance(source, FolderSource):
        raise SourceError("--masks goes with a folder of images", hint="tars hold masks as seg.png members")
    return source


def _open(text: str | None, stain: str, masks: str | None, mask_suffix: str) -> Source:
    if text is None:
        return _sample_set(stain)
    if Path(text).is_dir():
        return _open_folder(Path(text).absolute(), masks, mask_suffix)
    if "://" in text and not _is_pattern(text) and not text.endswith(".tar"):
        return _open_remote_folder(text)
    return TarsSource(urls=tuple(_check_tar(url) for url in (expand(text) if _is_pattern(text) else [text])))


def _open_remote_folder(url: str) -> TarsSource:
    if not (tars := tars_below(url)):
        raise SourceError(
            f"{url} holds no tars", hint="folders of images are read from local disks only; tar them first"
        )
    return TarsSource(urls=tars)


def _sample_set(stain: str) -> SampleSet:
    if stain not in STAINS:
        served = " and ".join(STAINS)
        raise SourceError(f"there is no sample picture for the stain {stain} (only for {served})", hint=_GIVE)
    return SampleSet()


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "{*?[")


def _check_tar(url: str) -> str:
    if "://" in url:
        return url
    if not (path := Path(url)).exists():
        raise SourceError(f"there is no {url}", hint=_GIVE)
    if path.suffix.lower() in _SLIDE_EXTS:
        raise SourceError(f"{url} is a slide", hint="cut it into source shards first: `augengine tile`")
    if path.suffix.lower() != ".tar":
        hint = f"give its folder, {path.parent}" if path.suffix[1:].lower() in IMAGE_EXTS else _GIVE
        raise SourceError(f"{url} is no tar", hint=hint)
    return str(path.absolute())


def _open_folder(folder: Path, masks: str | None, mask_suffix: str) -> Source:
    if masks is not None and not Path(masks).is_dir():
        raise SourceError(f"there is no folder {masks}", hint="--masks is a folder parallel to that of the images")
    tars = tars_below(str(folder))
    images = _holds_images(folder)
    if tars and images:
        hint = f"say which is meant: --in '{folder}/*.tar', or move the images into a folder of their own"
        raise SourceError(f"{folder} holds both images and tars", hint=hint)
    if tars:
        return TarsSource(urls=tars)
    if not images:
        raise SourceError(f"{folder} holds neither images ({', '.join(IMAGE_EXTS)}) nor tars", hint=_GIVE)
    return FolderSource(
        folder=str(folder), masks=str(Path(masks).absolute()) if masks else None, mask_suffix=mask_suffix
    )


def _holds_images(folder: Path) -> bool:
    images = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix[1:].lower() in IMAGE_EXTS)
    return any(not any(part.startswith(".") for part in image.parts) for image in images)


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
