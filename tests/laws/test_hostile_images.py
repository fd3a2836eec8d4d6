"""Pictures that cost more than they should, or say two things: named, and never decoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from augengine.dataset.check import check_sample
from augengine.errors import ContentError, SourceError
from augengine.pictures.headers import MAX_SCANS, read_size
from augengine.pictures.images import Decoder, check_image
from augengine.sample import Failure, Sample
from augengine.slides import open_slide
from tests.support.pictures import encode, tissue
from tests.support.workers import worker


def _directory(tiff: bytes) -> list[bytes]:
    """The entries of a TIFF's first directory, 12 bytes each."""
    (at,) = struct.unpack("<I", tiff[4:8])
    (count,) = struct.unpack("<H", tiff[at : at + 2])
    return [tiff[at + 2 + 12 * k : at + 14 + 12 * k] for k in range(count)]


def _with_directory(tiff: bytes, entries: list[bytes], following: int = 0) -> bytes:
    """The same pixels under another directory, at the end; ``following`` is where the next one lies."""
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def _entry(tiff: bytes, tag: int) -> bytes:
    return next(entry for entry in _directory(tiff) if struct.unpack("<H", entry[:2]) == (tag,))


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    data = encode(tissue(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + last * (MAX_SCANS + 1) + data[-2:]
    assert check_image(data, max_side=64) == (48, 64)
    with pytest.raises(ContentError, match="scans"):
        check_image(many, max_side=64)
    (outcome,) = Decoder(threads=1, max_side=64).decode([many])
    assert isinstance(outcome, ContentError)


def test_a_directory_that_follows_itself_is_a_bad_sample() -> None:
    tiff = encode(tissue(), "TIFF")
    endless = _with_directory(tiff, _directory(tiff), following=len(tiff))
    with pytest.raises(ContentError):
        check_image(endless, max_side=64)


def test_an_image_that_says_two_sizes_never_reaches_an_engine_made_for_the_smaller(tmp_path: Path) -> None:
    tiff = encode(tissue(64, 64), "TIFF")
    wide = _entry(tiff, 256)[:8] + struct.pack("<I", 900)
    own = _directory(tiff)
    both = [_with_directory(tiff, order) for order in ([wide, *own], [own[0], wide, *own[1:]])]
    assert {check_image(data, max_side=1024) for data in both} == {(64, 64), (64, 900)}
    spec = worker(tmp_path)
    assert (spec.engines.height, spec.engines.width) == (64, 64)
    outcomes = [check_sample(Sample(key="k", image=data, image_ext="tif"), spec) for data in both]
    (bad,) = (outcome for outcome in outcomes if isinstance(outcome, Failure))
    assert "900 x 64 px" in bad.reason


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_unpacks_to_gigabytes_is_not_unpacked(kind: bytes) -> None:
    packed = zlib.compress(bytes(1 << 25), 1)
    body = {b"iTXt": b"k\0\1\0\0\0", b"zTXt": b"k\0\0", b"iCCP": b"k\0\0"}[kind] + packed
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    png = encode(tissue())
    bomb = png[:33] + chunk * 4 + png[33:]
    assert read_size(io.BytesIO(bomb)) in ((48, 64), None)
    (outcome,) = Decoder(threads=1, max_side=64).decode([bomb])
    assert isinstance(outcome, ContentError) or outcome.shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><rect width="9" height="9"/></svg>',
        b"1,2,3\n4,5,6\n" * 200,
        encode(tissue(), "WEBP"),
        encode(tissue(), "GIF", mode="P"),
    ],
    ids=["svg", "table", "webp", "gif"],
)
@pytest.mark.parametrize("name", ["s.tif", "s.svs", "s.png"])
def test_what_is_no_slide_is_not_opened_as_one_whatever_its_name(data: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match="neither TIFF, PNG nor JPEG"):
        open_slide(tmp_path / name, mpp=0.5)


def test_a_slide_in_one_enormous_tile_is_refused(tmp_path: Path) -> None:
    side, note = 1 << 15, b"Aperio Image Library v1|MPP = 0.5\0"
    tile = zlib.compress(bytes(3 << 20), 9) * 100
    tags = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, 8), (259, 3, 1, 8), (262, 3, 1, 2),
        (270, 2, len(note), 14 + len(tile)), (277, 3, 1, 3), (284, 3, 1, 1), (322, 4, 1, side), (323, 4, 1, side),
        (324, 4, 1, 14), (325, 4, 1, len(tile)),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<IHHH", 14 + len(tile) + len(note), 8, 8, 8)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    (tmp_path / "s.svs").write_bytes(head + tile + note + directory)
    with pytest.raises(ContentError, match="tiles of 32768 x 32768 px"):
        open_slide(tmp_path / "s.svs")


def test_a_picture_too_large_to_be_decoded_whole_is_refused_as_a_slide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augengine.pictures.libvips.MAX_WHOLE_PX", 1000)
    Image.fromarray(tissue()).save(tmp_path / "s.png")
    with pytest.raises(SourceError, match="64 x 48 px"):
        open_slide(tmp_path / "s.png", mpp=0.5)
