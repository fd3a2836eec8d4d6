"""A sample: one image with its mask and metadata, still encoded, and the rules for its key."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augengine.errors import ContentError

_MAX_PATIENT = 100
MAX_MEMBER_BYTES = 100
"""Longest member name of a shard: DALI's reader silently drops longer ones."""

SOURCE_VARIANT = 0
MASK_EXT = "seg.png"
_MAX_OWN_EXT = MASK_EXT
_UNDECODED = re.compile(r"\\udc[89a-f][0-9a-f]")
"""How `printable` escapes a byte of a file's name that is no UTF-8."""

_VARIANT_SUFFIX_BYTES = len("-v0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One source sample, as bytes.

    Attributes:
        key: Unique in a dataset; no dot, see `check_key`.
        image: The encoded image.
        image_ext: Its extension without the dot, lower case: ``png``, ``jpg``, ``tif`` ...
        mask: The encoded mask of class ids, if there is one.
        meta: The source's own json, parsed; empty if it has none.
        meta_text: The same as it stands; empty if it has none.
        extras: Other members of the source by extension (``cls``, ``txt`` ...); they travel along.
    """

    key: str
    image: bytes
    image_ext: str
    mask: bytes | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    meta_text: str = ""
    extras: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def mpp(self) -> float | None:
        """Micrometres a pixel as the source's json states it (field ``mpp``, a number or its text), or None."""
        value = self.meta.get("mpp")
        try:
            mpp = 0.0 if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
        except (ValueError, OverflowError):
            return None
        return mpp if 0 < mpp < float("inf") else None

    @property
    def patient(self) -> str:
        """Its patient as the source's json states it (field ``patient``, a text or a number), cut to 100 characters.

        It is empty if that says nothing, or something else.
        """
        stated = self.meta.get("patient")
        is_name = isinstance(stated, str | int) and not isinstance(stated, bool)
        return printable(str(stated)[:_MAX_PATIENT]) if is_name else ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that was dropped, and why, in a sentence."""

    key: str
    reason: str


def make_key(relative_name: str) -> str:
    """The key of a file: its relative path without the last extension, made fit by `clean_key`.

    >>> make_key("patient.1/tile 7.png")
    'patient_1_tile_7'
    """
    stem, dot, _ = relative_name.rpartition(".")
    return clean_key(stem if dot and "/" not in _ else relative_name)


def clean_key(stem: str) -> str:
    """A name as a key: ``/``, ``.`` and space become ``_`` (DALI's index is split at spaces).

    What cannot be printed is escaped with a backslash, which `check_key` refuses: such a key can be named in a
    report, and nothing else.
    """
    return printable(stem.replace("/", "_").replace(".", "_").replace(" ", "_"))


def printable(name: str) -> str:
    """A file's name for messages and reports: control characters and undecodable bytes are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def folded(name: str) -> str:
    """A file's name as names are compared: in one Unicode form, since macOS and servers decompose, and without case.

    >>> folded("S1.TIF")
    's1.tif'
    """
    return unicodedata.normalize("NFC", name).casefold()


def check_key(key: str, extensions: tuple[str, ...] = ()) -> str:
    """Return a key that fits every reader, or say why it does not.

    Args:
        key: The source's key, without a variant suffix.
        extensions: Extensions of the members that travel along.

    Raises:
        ContentError: Empty, a dot, a slash, a space or a control character, or too long with its variant suffix.
    """
    if _UNDECODED.search(key):
        hint = "rename it, for example with convmv, and pack it again"
        raise ContentError(f"the name {key[:120]!r} is in another coding than UTF-8", hint=hint)
    if not key or any(bad in key for bad in "./\\ ") or not key.isprintable():
        raise ContentError(f"the key {key[:120]!r} is empty or holds a dot, slash, space or unprintable character")
    if odd := [ext for ext in extensions if not ext.isprintable() or any(bad in ext for bad in "/\\ ")]:
        raise ContentError(f"its member .{odd[0][:40]!r} has a slash, space or unprintable character in its extension")
    longest = max((_MAX_OWN_EXT, *extensions), key=lambda ext: len(ext.encode()))
    room = MAX_MEMBER_BYTES - _VARIANT_SUFFIX_BYTES - 1 - len(longest.encode())
    if (size := len(key.encode())) > room:
        raise ContentError(
            f"the key is {size} bytes long, {room} fit (variant suffix and .{longest} included in {MAX_MEMBER_BYTES})",
            hint="shorten the file name or its folder's",
        )
    return key


def variant_key(key: str, variant: int) -> str:
    """The key of a variant: ``k-v0001`` ...; ``k-v0000`` is the source."""
    return f"{key}-v{variant:04d}"
