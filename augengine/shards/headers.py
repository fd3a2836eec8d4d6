"""Tar headers that nobody honest writes, stopped before tarfile acts on them."""

from __future__ import annotations

import tarfile
from typing import Self

MAX_EXTENSION_BYTES = 1 << 16
"""Largest header of a long name or of PAX records. tarfile reads it whole, before anybody can look at it, and Python
before 3.11.10 takes quadratic time for some (CVE-2024-6232); honest ones have some hundred bytes."""

MAX_GLOBALS = 1000
"""Keywords of PAX headers that hold for all members; each member gets a copy of them. git writes one."""

_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip

TAR_ERRORS = (tarfile.TarError, EOFError, RecursionError)
"""What tarfile raises on damaged tars; the last on a chain of extension headers, which it follows by recursion."""


class CheckedHeader(tarfile.TarInfo):
    """A member's header, for ``tarfile.open(..., tarinfo=CheckedHeader)``."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header as tarfile does, and refuse sizes and types that no sample needs.

        Raises:
            tarfile.ReadError: A negative size, a file with holes, or an extension of more than `MAX_EXTENSION_BYTES`.
        """
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0:
            raise tarfile.ReadError(f"the member {info.name!r} has {info.size} bytes")
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"the member {info.name!r} is no plain file but one with holes")
        if info.type in _EXTENSIONS and info.size > MAX_EXTENSION_BYTES:
            raise tarfile.ReadError(f"an extended header has {info.size} bytes, {MAX_EXTENSION_BYTES} are allowed")
        return info


def check_extent(tar: tarfile.TarFile, info: tarfile.TarInfo, whole: int | None) -> None:
    """Refuse a member that reaches beyond its tar (a stream would be read for minutes), or too many globals.

    Args:
        tar: The tar, read up to this member's header.
        info: The member read last.
        whole: Bytes of the tar, or None if unknown.

    Raises:
        tarfile.ReadError: It does.
    """
    if len(tar.pax_headers) > MAX_GLOBALS:
        raise tarfile.ReadError(f"it has more than {MAX_GLOBALS} global headers")
    if info.size < 0 or (whole is not None and info.offset_data + info.size > whole):
        raise tarfile.ReadError(f"the member {info.name!r} of {info.size} bytes reaches beyond the end")
