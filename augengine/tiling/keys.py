"""Keys of slides: made from names, short enough, and no two alike."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from augengine.errors import ContentError
from augengine.sample import check_key, clean_key, make_key

_CORNER = "_x0000000_y0000000"
"""What a tile's key adds to its slide's, at the longest that slides are."""

_DIGEST_BYTES = 4


def slide_key(relative: str) -> str:
    """The key of a slide, made shorter where tiles' keys would not fit into a shard: its end and a digest."""
    return _short(make_key(relative))


def _key_with_extension(relative: str) -> str:
    return _short(clean_key(relative))


def _short(key: str) -> str:
    key = key.replace(":", "_")
    try:
        check_key(key + _CORNER)
    except ContentError:
        short = clean_key(key.encode(errors="replace")[-40:].decode(errors="ignore"))
        return f"{short}_{_digest(key)}" if key.isprintable() and "\\" not in key else key
    return key


def _digest(name: str) -> str:
    return hashlib.blake2b(name.encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()


def check_slide_key(key: str, name: str) -> None:
    """Refuse a key that does not fit every reader once a tile's corner is added.

    Raises:
        ContentError: It says why, and names the slide's file.
    """
    try:
        check_key(key + _CORNER)
    except ContentError as error:
        raise ContentError(f"the name {name!r} gives no key: {error.message}", hint="rename the slide") from error


def distinct_keys(relatives: Sequence[str], paths: Sequence[str]) -> list[str]:
    """A key for each slide, no two alike.

    It is made of the slide's relative path without the extension. Where two slides would share that, both get their
    extensions; where that does not tell them apart, the folder that each lies in, and at last a digest of their paths.
    """
    keys = [slide_key(relative) for relative in relatives]
    for number in range(3):
        count = Counter(keys)
        for i, (relative, path) in enumerate(zip(relatives, paths, strict=True)):
            if count[keys[i]] > 1:
                folder = Path(path).parent.name
                ways = (
                    _key_with_extension(relative),
                    slide_key(f"{folder}/{relative}"),
                    f"{slide_key(relative)}_{_digest(path)}",
                )
                keys[i] = _short(ways[number])
    return keys
