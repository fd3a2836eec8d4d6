"""Where samples come from: a folder of images, tars, or the sample set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from augengine.errors import SourceError, SpecError
from augengine.json_values import from_json
from augengine.progress import counted
from augengine.sample import printable
from augengine.shards.roles import IMAGE_EXTS, MemberNames, member_names
from augengine.shards.walk import UNPACK
from augengine.sources.base import Source
from augengine.sources.folder import FolderSource
from augengine.sources.sample_set import STAIN, SampleSet
from augengine.sources.tars import StoredTars, TarsSource, expand, tars_below
from augengine.sources.trees import tree_of
from augengine.spec import MASK_SUFFIX
from augengine.storage import check_no_credentials, is_url

__all__ = ["FolderSource", "SampleSet", "Source", "TarsSource", "open_source", "source_from_json", "tars_left_out"]

_SLIDE_EXTS = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm", ".czi")
_PACKED_EXTS = (
    ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4", ".tar.lzma",
    ".tar.z",
)  # fmt: skip
_FILE_EXTS = (".tar", *_PACKED_EXTS, *_SLIDE_EXTS, *(f".{extension}" for extension in IMAGE_EXTS))
_NAMED = 5
_CUT = "cut it into source shards first: `augengine tile`"
_CUT_URL = "copy it to a disk, since slide readers need files, and cut it into source shards: `augengine tile`"
_GIVE = "give --in a folder of images, or source shards (shards-{000000..000009}.tar)"


def open_source(
    text: str | None,
    *,
    stain: str,
    masks: str | None = None,
    mask_suffix: str = MASK_SUFFIX,
    image_member: str | None = None,
    mask_member: str | None = None,
) -> Source:
    """The source that a user means; nothing of it is read yet.

    Args:
        text: A folder of images or of tars, a tar, a brace pattern, a glob, or one of these by URL; None for the
            sample set, which serves the stain cd68.
        stain: Name of the stain.
        masks: A folder of masks parallel to a folder of images, or its URL.
        mask_suffix: What the name of a mask has after the name of its image, in a folder or a tar.
        image_member, mask_member: What the members of tars that are images and masks have after the key; see
            `augengine.shards.roles.MemberNames`. None for the usual names.

    Raises:
        SourceError: There is no such thing, or it is ambiguous.
        SpecError: A name or the suffix is malformed.
    """
    for url in (text, masks):
        if url is not None and is_url(url):
            check_no_credentials(url)
    names = member_names(image_member, mask_member, mask_suffix)
    source = _open(text, stain, masks, names)
    if masks is not None and not isinstance(source, FolderSource):
        hint = "tars hold masks as members: k.seg.png, k_mask.png or masks/k.png; see --mask-member and --mask-suffix"
        raise SourceError("--masks goes with a folder of images", hint=hint)
    if (names.image or names.mask) and not isinstance(source, TarsSource):
        hint = "in a folder a mask is known by --mask-suffix or --masks"
        raise SourceError("--image-member and --mask-member go with tars", hint=hint)
    return source


def _open(text: str | None, stain: str, masks: str | None, names: MemberNames) -> Source:
    if text is None:
        return _sample_set(stain)
    if Path(text).is_dir():
        return _open_folder(str(Path(text).absolute()), masks, names)
    if "://" in text and not _is_pattern(text) and not text.lower().endswith(_FILE_EXTS):
        return _open_folder(text.rstrip("/"), masks, names)
    urls = expand(text) if _is_pattern(text) else [text]
    return TarsSource(urls=tuple(_check_tar(url) for url in urls), names=names)


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
    if path.name.lower().endswith(_PACKED_EXTS):
        raise SourceError(f"{url} is a compressed tar", hint=UNPACK)
    if path.suffix.lower() != ".tar":
        hint = f"give its folder, {url.rpartition('/')[0] or '.'}" if _is_image(url) else _GIVE
        raise SourceError(f"{url} is no tar", hint=hint)
    return url if is_url(url) else str(Path(url).absolute())


def _open_folder(folder: str, masks: str | None, names: MemberNames) -> Source:
    if masks is not None and not is_url(masks) and not Path(masks).is_dir():
        raise SourceError(f"there is no folder {masks}", hint="--masks is a folder parallel to that of the images")
    tree = tree_of(folder)
    if tars := tars_below(folder):
        files = sorted(tree.names())
        if any(map(_is_image, files)):
            hint = f"say which is meant: --in '{folder}/*.tar', or move the images into a folder of their own"
            raise SourceError(f"{folder} holds both images and tars", hint=hint)
        return TarsSource(urls=tars, names=names, left_out=tuple(tars_left_out(files)))
    if any(map(_is_image, tree.names())):
        return FolderSource(folder=folder, masks=_whole(masks), mask_suffix=names.mask_suffix)
    if lost := list(tars_left_out(sorted(tree.names()))):
        raise SourceError(f"{folder} holds no tar that is read: {'; '.join(lost)}", hint=_GIVE)
    raise SourceError(f"{folder} holds neither images ({', '.join(IMAGE_EXTS)}) nor tars", hint=_GIVE)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix[1:].lower() in IMAGE_EXTS


def tars_left_out(files: Sequence[str]) -> Iterator[str]:
    """Sentences on the tars of a folder that are not read: compressed ones, and those in folders below.

    Args:
        files: What lies in the folder, by relative paths.
    """
    packed = [name for name in files if name.lower().endswith(_PACKED_EXTS)]
    below = [name for name in files if "/" in name and name.lower().endswith(".tar")]
    if packed:
        yield f"{_are_left_out(packed, 'compressed tar')}: {_shown(packed)}; unpack them, shards are read uncompressed"
    if below:
        yield f"{_are_left_out(below, 'tar')} in folders below: {_shown(below)}"


def _are_left_out(names: Sequence[str], noun: str) -> str:
    return f"{counted(len(names), noun)} {'is' if len(names) == 1 else 'are'} left out"


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:_NAMED])) + (" ..." if len(names) > _NAMED else "")


def _whole(masks: str | None) -> str | None:
    """The masks' folder, wherever another process starts."""
    if masks is None:
        return None
    return masks.rstrip("/") if is_url(masks) else str(Path(masks).absolute())


def source_from_json(data: Mapping[str, Any]) -> Source:
    """The source whose `to_json` this is.

    Raises:
        SourceError: An unknown kind, or fields that are missing, unknown or of another type.
    """
    try:
        return _from_json(data)
    except SpecError as error:
        hint = "was the plan written by a later version?"
        raise SourceError(f"the plan's source cannot be used: {error}", hint=hint) from error


def _from_json(data: Mapping[str, Any]) -> Source:
    values = {name: value for name, value in data.items() if name != "kind"}
    match data.get("kind"):
        case FolderSource.kind:
            return from_json(FolderSource, values)
        case TarsSource.kind:
            return from_json(StoredTars, values).source()
        case SampleSet.kind:
            return from_json(SampleSet, values)
        case kind:
            raise SourceError(
                f"the plan has a source of the unknown kind {kind!r}", hint="was it written by a later version?"
            )
