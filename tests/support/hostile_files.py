"""Files that were whole, drawn or written here, and damaged as an attacker would: equal for equal seeds."""

from __future__ import annotations

import io
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from shapely import box

from tests.support.annotation_files import write_geojson
from tests.support.pictures import class_ids, encode, tissue

Damage = Callable[[bytes, np.random.Generator], bytes]

_NUMBERS = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\1",
    b"\xff\xd8",
]
_WORDS = [b"null", b"NaN", b"-1e999", b"9" * 400, b"[[[[", b'"', b"{}", b"\0", b"\xff\xfe", b"../../x", b"\x1b[2J"]
_VALUES = [
    b"-5",
    b"1e308",
    b"1e999",
    b"null",
    b"true",
    b'"x"',
    b'"\\ud800"',
    b'"\\u001b[2J"',
    b"[]",
    b"{}",
    b"[[[[]]]]",
]
_SCALAR = re.compile(rb'-?\d+(\.\d+)?|"[^"]*"|null|true')
_HEADER = 160  # bytes in which most of a file's promises stand


def pictures() -> dict[str, bytes]:
    """A whole picture in each format, by extension."""
    return {
        "png": encode(tissue()),
        "jpg": encode(tissue(seed=1), "JPEG"),
        "jpeg": encode(tissue(seed=2), "JPEG", progressive=True),
        "tif": encode(tissue(seed=3), "TIFF"),
        "tiff": encode(tissue(seed=4), "TIFF", compression="tiff_lzw"),
    }


def mask() -> bytes:
    """A whole mask for them."""
    return encode(class_ids())


def sidecar() -> bytes:
    """The json of one."""
    return b'{"mpp": 0.5, "patient": "anna", "stack": [1, 2.5, null, {"a": "\\u00e4"}], "class": "glomerulus"}'


def geojson(file: Path) -> bytes:
    """What was drawn on a slide of 700 px; ``file`` is where it may be written."""
    ring = box(300, 100, 420, 260).difference(box(330, 130, 350, 160))
    return write_geojson(file, [("glomerulus", ring), ("tubule", box(250, 300, 300, 380))]).read_bytes()


def shard(prefix: str = "k", samples: int = 3) -> bytes:
    """A source shard, its keys the prefix and a number."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(samples):
            parts = {"png": encode(tissue(seed=number)), "seg.png": mask(), "json": sidecar()}
            for extension, data in parts.items():
                info = tarfile.TarInfo(f"{prefix}{number}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def damaged(data: bytes, kind: str, seed: int) -> bytes:
    """The file with one to three damages; never the file itself."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    blunt: list[Damage] = [_cut_short, _flip, _overwrite, _take_out, _repeat, _junk]
    found = data
    while found == data:
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            choices = _OF_KIND[kind] if kind in _OF_KIND and rng.random() < 0.7 else blunt
            found = choices[rng.integers(len(choices))](found, rng)
    return found


def _place(data: bytes, rng: np.random.Generator) -> int:
    reach = min(len(data), _HEADER) if rng.random() < 0.6 else len(data)
    return int(rng.integers(max(1, reach)))


def _cut_short(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + bytes(byte ^ (1 << int(rng.integers(8))) for byte in data[at : at + 1]) + data[at + 1 :]


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    at, number = _place(data, rng), _NUMBERS[rng.integers(len(_NUMBERS))]
    return data[:at] + number + data[at + len(number) :]


def _take_out(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 64)) :]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at : at + int(rng.integers(1, 2048))] * int(rng.integers(2, 20)) + data[at:]


def _junk(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 600))) + data[at:]


def _word(data: bytes, rng: np.random.Generator) -> bytes:
    at, word = _place(data, rng), _WORDS[rng.integers(len(_WORDS))]
    return data[:at] + word + data[at + int(rng.integers(0, 12)) :]


def _value(data: bytes, rng: np.random.Generator) -> bytes:
    """Another value in json, which stays json."""
    found = list(_SCALAR.finditer(data))
    if not found:
        return data
    match, value = found[rng.integers(len(found))], _VALUES[rng.integers(len(_VALUES))]
    return data[: match.start()] + value + data[match.end() :]


def _chunk(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes in a PNG's chunk, under a checksum that fits them."""
    starts, at = [], 8
    while at + 12 <= len(data):
        starts.append(at)
        at += 12 + struct.unpack(">I", data[at : at + 4])[0]
    if not starts:
        return data
    start = starts[rng.integers(len(starts))]
    size = struct.unpack(">I", data[start : start + 4])[0]
    body = _overwrite(data[start + 8 : start + 8 + size], rng)
    kind = data[start + 4 : start + 8]
    rebuilt = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:start] + rebuilt + data[start + 12 + size :]


def _tag(data: bytes, rng: np.random.Generator) -> bytes:
    """Another type, count or value in a little-endian TIFF's directory."""
    at = struct.unpack("<I", data[4:8])[0] if len(data) > 8 else 0
    count = struct.unpack("<H", data[at : at + 2])[0] if at + 2 <= len(data) else 0
    place = at + 2 + 12 * int(rng.integers(max(1, min(count, 40)))) + int(rng.choice([2, 4, 8]))
    value = int(rng.choice([0, 1, 2, 255, 1 << 14, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, at]))
    return data[:place] + struct.pack("<I", value)[: len(data[place : place + 4])] + data[place + 4 :]


def _header(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes in a tar's header, under a checksum that fits them."""
    heads = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not heads:
        return data
    at = heads[rng.integers(len(heads))]
    head = bytearray(data[at : at + 512])
    field, values = _FIELDS[rng.integers(len(_FIELDS))]
    value = values[rng.integers(len(values))]
    head[field : field + len(value)] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return data[:at] + bytes(head) + data[at + 512 :]


_FIELDS: list[tuple[int, list[bytes]]] = [
    (
        0,
        [
            b"../../../../tmp/escaped.png\0",
            b"/tmp/escaped.png\0",
            b"a/../../b.png\0",
            b"\x1b[2J.png\0",
            b".png\0",
            b"\0",
        ],
    ),
    (
        124,
        [
            b"77777777777\0",
            b"-0000000001\0",
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xff" * 12,
            b"00000000000\0",
        ],
    ),
    (156, [b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"\0"]),
    (157, [b"/etc/passwd\0", b"../../x\0"]),
    (345, [b"../..\0", b"/tmp\0"]),
]
_OF_KIND: dict[str, list[Damage]] = {
    "png": [_chunk],
    "tif": [_tag],
    "tiff": [_tag],
    "json": [_word, _value, _value],
    "geojson": [_word, _value, _value, _value],
    "tar": [_header],
}
