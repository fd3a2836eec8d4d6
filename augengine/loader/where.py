"""What a user calls a dataset, as the shards that it stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from augengine.errors import SourceError, SpecError
from augengine.shards.listed import local_path
from augengine.sources import tars_left_out
from augengine.sources.tars import expand, files_below
from augengine.storage import check_no_credentials, is_url

Where = str | os.PathLike[str]

_GIVE = (
    "give a folder of shards, a tar, a glob, a brace pattern such as shards-{000000..000009}.tar, or a list of these"
)
_PATTERN = "{*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShards:
    """Shards, and what lies beside them.

    Attributes:
        urls: Absolute paths and URLs, each once.
        left_out: What lies in the same folders and is not read, a sentence each.
    """

    urls: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def find_shards(where: Where | Iterable[Where]) -> FoundShards:
    """The shards of a dataset, in the order given; those of a folder or a glob are sorted by name.

    Args:
        where: A folder, a tar, a glob, a brace pattern, an URL of one of these that fsspec knows, or several.

    Raises:
        SourceError: There is no such thing, or it names no shard.
        SpecError: It is neither text nor path, or an URL that holds credentials.
    """
    found = [_find(text) for text in _texts(where)]
    urls = tuple(dict.fromkeys(url for each in found for url in each.urls))
    if not urls:
        raise SourceError("no shard was named", hint=_GIVE)
    return FoundShards(
        urls=urls,
        left_out=tuple(dict.fromkeys(line for each in found for line in each.left_out)),
    )


def _texts(where: Where | Iterable[Where]) -> Iterator[str]:
    several = where if isinstance(where, Iterable) and not isinstance(where, str | bytes) else [where]
    for each in several:
        text = os.fspath(each) if isinstance(each, str | os.PathLike) else None
        if not isinstance(text, str):
            raise SpecError(f"a dataset is named by a text or a path, got {each!r}", hint=_GIVE)
        if not text:
            raise SourceError("an empty text names no shard", hint=_GIVE)
        yield text


def _find(text: str) -> FoundShards:
    """The shards that one text stands for. A name that exists as it is written is no pattern."""
    if is_url(text):
        check_no_credentials(text)
    path = local_path(text)
    if path is not None and path.is_dir():
        return _in_folder(str(path.absolute()))
    if not (path is not None and path.exists()) and any(sign in text for sign in _PATTERN):
        return FoundShards(urls=tuple(_checked(url) for url in expand(text) if not _is_hidden(url)))
    if path is None and not text.lower().endswith(".tar"):
        return _in_folder(text.rstrip("/"))
    return FoundShards(urls=(_checked(text),))


def _in_folder(folder: str) -> FoundShards:
    files = {url.rpartition("/")[2]: url for url in files_below(folder)}
    urls = tuple(url for url in files.values() if url.lower().endswith(".tar") and not _is_hidden(url))
    left_out = tuple(tars_left_out(list(files)))
    if not urls:
        raise SourceError(f"{folder} holds no shard (*.tar)", hint="; ".join(left_out) or _GIVE)
    return FoundShards(urls=urls, left_out=left_out)


def _is_hidden(url: str) -> bool:
    """Whether it is hidden, as what macOS leaves beside a file (``._s.tar``), which globs match, too."""
    return url.rpartition("/")[2].startswith(".")


def _checked(url: str) -> str:
    path = local_path(url)
    if path is not None and not path.exists():
        raise SourceError(f"there is no {url}", hint=_GIVE)
    if not PurePosixPath(url).name.lower().endswith(".tar"):
        raise SourceError(f"{url} is no shard: its name does not end with .tar", hint=_GIVE)
    return url if path is None else str(path.absolute())
