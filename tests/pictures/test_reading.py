"""Images as a trainer reads them, by Pillow: the pixels and the refusals are those of the decoder that writes."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augengine.errors import ContentError
from augengine.pictures.encode import encode_image
from augengine.pictures.headers import MAX_SCANS
from augengine.pictures.images import Decoder, check_image
from augengine.pictures.reading import read_image
from augengine.spec import ImageFormat
from tests.pictures.test_images import READ, damaged
from tests.support.pictures import bomb, encode, tissue

JPEGS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": quality, "subsampling": subsampling, "progressive": progressive})
    for quality in (40, 90)
    for subsampling in (0, 1, 2)
    for progressive in (False, True)
]
TIFFS: list[tuple[str, dict[str, Any]]] = [("TIFF", {"compression": kind}) for kind in ("packbits", "tiff_deflate")]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(threads=1, max_side=1024)


@pytest.mark.parametrize(("fmt", "options"), [*READ, *JPEGS, *TIFFS])
def test_pixels_are_those_of_the_decoder_that_writes(fmt: str, options: dict[str, Any], decoder: Decoder) -> None:
    data = encode(tissue(97, 131, seed=3), fmt, **options)
    np.testing.assert_array_equal(read_image(data, max_side=1024), decoder.decode([data])[0])


@pytest.mark.parametrize("fmt", ["png", "jpg", "webp"])
def test_what_augment_writes_is_read_as_its_reports_count_it(fmt: ImageFormat, decoder: Decoder) -> None:
    data = encode_image(tissue(64, 80), fmt)
    np.testing.assert_array_equal(read_image(data, max_side=80), decoder.decode([data])[0])


@pytest.mark.parametrize(
    ("mode", "fmt"),
    [
        *(("RGBA", "PNG"), ("RGBA", "WEBP"), ("LA", "PNG"), ("L", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("P", "PNG")),
        *(("P", "TIFF"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("I;16", "PNG"), ("LAB", "TIFF"), ("L", "BMP")),
    ],
)
def test_what_the_one_refuses_the_other_refuses(mode: str, fmt: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (64, 48)).save(out, fmt)
    for read in (read_image, check_image):
        with pytest.raises(ContentError, match="RGB"):
            read(out.getvalue(), max_side=1024)


def test_a_bmp_of_32_bits_is_refused_by_both() -> None:
    plain = encode(tissue(8, 8), "BMP")
    head = plain[:28] + (32).to_bytes(2, "little") + plain[30:54]
    wide = head + b"".join(bytes([*pixel, 0]) for pixel in tissue(8, 8).reshape(-1, 3).tolist())
    for read in (read_image, check_image):
        with pytest.raises(ContentError, match=r"alpha|truncated"):
            read(wide, max_side=1024)


def test_a_tiff_in_ycbcr_is_read_to_a_grey_level(decoder: Decoder) -> None:
    out = io.BytesIO()
    Image.fromarray(tissue()).convert("YCbCr").save(out, "TIFF")
    (other,) = decoder.decode([out.getvalue()])
    found = read_image(out.getvalue(), max_side=1024)
    assert np.abs(found.astype(int) - np.asarray(other).astype(int)).max() <= 1


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_16_bit_colour_is_refused(extension: str) -> None:
    import cv2

    deep = cv2.imencode(extension, tissue().astype(np.uint16) * 257)[1].tobytes()
    with pytest.raises(ContentError, match=r"not 8-bit RGB|no picture"):
        read_image(deep, max_side=1024)


# Without its last three bytes a png lacks a checksum of nothing, and no pixel.
@pytest.mark.parametrize("what", [what for what in damaged() if what != "png without its tail"])
def test_a_damaged_image_is_a_content_error(what: str) -> None:
    with pytest.raises(ContentError, match="image"):
        read_image(damaged()[what], max_side=1024)


@pytest.mark.parametrize("fmt", ["TIFF", "WEBP"])
def test_a_second_page_is_refused(fmt: str) -> None:
    out, pages = io.BytesIO(), [Image.fromarray(tissue(seed=seed)) for seed in range(2)]
    pages[0].save(out, fmt, save_all=True, append_images=pages[1:])
    with pytest.raises(ContentError, match="several pages"):
        read_image(out.getvalue(), max_side=1024)


def test_a_bomb_is_stopped_at_its_header() -> None:
    with pytest.raises(ContentError, match="60000 x 60000"):
        read_image(bomb(), max_side=1024)


def test_a_jpeg_of_many_scans_is_refused() -> None:
    jpeg = encode(tissue(16, 16), "JPEG", progressive=True)
    with pytest.raises(ContentError, match="scans"):
        read_image(jpeg[:-2] + b"\xff\xda" * MAX_SCANS + jpeg[-2:], max_side=64)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_not_applied(fmt: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(encode(tissue(48, 64), fmt, exif=exif.tobytes()), max_side=64).shape == (48, 64, 3)


def test_a_tiff_that_asks_to_be_turned_is_refused() -> None:
    turned = encode(tissue(48, 64), "TIFF", tiffinfo={0x0112: 6})
    with pytest.raises(ContentError, match="EXIF orientation 6"):
        read_image(turned, max_side=64)


def test_pictures_are_decoded_side_by_side_and_warnings_of_others_are_left_alone() -> None:
    png, found = encode(tissue()), []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            warnings.warn("once per place", UserWarning, stacklevel=1)
            found.append(read_image(png, max_side=1024))
    assert len(seen) == 1


FORKED = """
import os, signal, sys, threading
from augengine.pictures.reading import read_image
data = open(sys.argv[1], "rb").read()
def read():
    while True:
        read_image(data, max_side=1024)
for _ in range(3):
    threading.Thread(target=read, daemon=True).start()
for _ in range(8):
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        read_image(data, max_side=1024)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "a forked reader hung"
os._exit(0)
"""


def test_a_fork_while_others_read_does_not_hang(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    (tmp_path / "picture.jpg").write_bytes(encode(tissue(256, 256), "JPEG", exif=exif.tobytes()))
    command = [sys.executable, "-c", FORKED, str(tmp_path / "picture.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
