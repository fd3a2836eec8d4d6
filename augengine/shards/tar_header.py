"""Headers of tar members, made from one template: tarfile makes the same bytes with more Python."""

from __future__ import annotations

import tarfile

from augengine.errors import ShardError

MAX_SIZE = 8**11 - 1
"""The largest member: USTAR says a size in eleven octal digits."""

_NAME = 100
_SIZE, _SUM, _TYPE = 124, 148, 156


def member_header(name: str, size: int) -> bytes:
    """The USTAR header of a plain file, 512 bytes: mode 644, time 0, no owner.

    Args:
        name: At most 100 bytes in UTF-8.
        size: Bytes of the member.

    Raises:
        ShardError: A longer name, or a larger member.
    """
    encoded = name.encode()
    if len(encoded) > _NAME or size > MAX_SIZE:
        raise ShardError(f"the member {name!r} of {size} bytes has no place in a tar", hint="shorten it")
    digits = b"%011o\0" % size
    total = _CHECKSUM + sum(encoded) + sum(digits)
    return encoded.ljust(_NAME, b"\0") + _MODE + digits + _TIME + b"%06o\0 " % total + _REST


def padding(size: int) -> bytes:
    """The zeros that fill a member's last block."""
    return bytes(-size % tarfile.BLOCKSIZE)


def end_of_tar(size: int) -> bytes:
    """What ends a tar of that many bytes: two empty blocks, and zeros up to a whole record."""
    ending = 2 * tarfile.BLOCKSIZE
    return bytes(ending + -(size + ending) % tarfile.RECORDSIZE)


def _template() -> bytes:
    info = tarfile.TarInfo()
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


_MODE, _TIME, _REST = _template()[_NAME:_SIZE], _template()[_SIZE + 12 : _SUM], _template()[_TYPE:]
_CHECKSUM = sum(_MODE) + sum(_TIME) + sum(_REST) + sum(b" " * 8)
"""The sum of all but the name and the size; its own place counts as spaces."""
