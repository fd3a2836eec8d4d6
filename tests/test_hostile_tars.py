"""Tars whose headers lie: refused by a sentence, at once, whatever sizes they state."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from augengine.errors import SourceError
from augengine.shards.read import read_tar, scan_tar

_END = bytes(1024)


def _header(name: str, kind: bytes, size: int) -> bytes:
    """A header that states a size, which nothing follows."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (b"\x80" if size >= 0 else b"\xff") + size.to_bytes(11, "big", signed=True)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


LIES = {
    "a long name of 16 GB": _header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 34),
    "a PAX header of 16 GB": _header("p", tarfile.XHDTYPE, 1 << 34),
    "a chain of headers": _header("p", tarfile.XHDTYPE, 0) * 3000,
    "a member of 1 TB": _header("a.png", tarfile.REGTYPE, 1 << 40),
    "a negative size": _header("a.png", tarfile.REGTYPE, -600),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "lie.tar"
    file.write_bytes(LIES[lie] + _END)
    with pytest.raises(SourceError):
        scan_tar(str(file))
    with pytest.raises(SourceError):
        list(read_tar(str(file), 0, 1, {}))
