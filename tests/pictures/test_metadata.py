"""Pictures that ask to be shown otherwise than they are stored: named, whatever format says it and wherever."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from augengine.errors import ContentError
from augengine.pictures.encode import decode_own
from augengine.pictures.metadata import check_image_metadata, check_upright, orientation_of
from tests.support.pictures import bomb, class_ids, decode, encode, png_chunk, tissue, turned

FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True}), ("TIFF", {}),
]  # fmt: skip


def with_chunk(png: bytes, kind: bytes, data: bytes, *, before: bytes) -> bytes:
    """A PNG with one more chunk, in front of the first one of another kind."""
    at = png.index(before) - 4
    return png[:at] + png_chunk(kind, data) + png[at:]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(("fmt", "options"), FORMATS)
def test_every_turn_is_found_in_every_format(fmt: str, options: dict[str, Any], orientation: int) -> None:
    data = turned(tissue(), fmt, orientation, **options)
    assert orientation_of(data) == orientation
    with pytest.raises(ContentError, match=f"orientation {orientation}") as caught:
        check_image_metadata(data)
    assert "exiftran -ai" in caught.value.hint
    assert "ImageOps.exif_transpose" in caught.value.hint


@pytest.mark.parametrize(("fmt", "options"), FORMATS)
def test_a_picture_that_stands_upright_passes(fmt: str, options: dict[str, Any]) -> None:
    check_image_metadata(encode(tissue(), fmt, **options))
    if "lossless" in options:
        with pytest.raises(ContentError, match="lossless WebP with EXIF") as caught:
            check_image_metadata(turned(tissue(), fmt, 1, **options))
        assert "webpmux -strip exif" in caught.value.hint
    else:
        check_image_metadata(turned(tissue(), fmt, 1, **options))


def test_a_turn_is_found_behind_the_pixels_of_a_png_and_in_its_texts() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    behind = with_chunk(encode(tissue()), b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"), before=b"IEND")
    assert orientation_of(behind) == 6
    profile = f"\nexif\n{len(exif.tobytes()):8d}\n{exif.tobytes().hex()}\n".encode()
    raw = b"Raw profile type exif\0\0" + zlib.compress(profile)
    assert orientation_of(with_chunk(encode(tissue()), b"zTXt", raw, before=b"IDAT")) == 6
    xmp = PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="8"/>')
    assert orientation_of(encode(tissue(), pnginfo=xmp)) == 8


@pytest.mark.parametrize(("fmt", "options"), FORMATS[:1] + FORMATS[2:4])
def test_a_turn_that_xmp_states_is_found(fmt: str, options: dict[str, Any]) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="5"/></x:xmpmeta>'
    assert orientation_of(encode(tissue(), fmt, xmp=xmp, **options)) == 5


def test_a_mask_that_asks_to_be_turned_is_named() -> None:
    with pytest.raises(ContentError, match="the mask has the EXIF orientation 3"):
        check_upright(turned(class_ids(), "PNG", 3), what="mask")
    check_upright(encode(class_ids()), what="mask")


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40), bomb()[:60], b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_picture_asks_for_nothing(data: bytes) -> None:
    assert orientation_of(data) == 1


def test_a_transparent_colour_is_refused_because_some_readers_see_four_channels() -> None:
    import cv2

    data = encode(tissue(), transparency=(1, 2, 3))
    seen = [cv2.imdecode(np.frombuffer(data, np.uint8), mode) for mode in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED)]
    assert [pixels.shape[2] for pixels in seen if pixels is not None] == [3, 4]
    with pytest.raises(ContentError, match="transparent colour"):
        check_image_metadata(data)


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP"])
def test_profiles_and_gamma_change_no_pixel_for_the_readers_of_trainings(fmt: str) -> None:
    import cv2

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace(b"rXYZ", b"-XYZ").replace(b"bXYZ", b"rXYZ").replace(b"-XYZ", b"bXYZ")  # red is blue
    options = {"quality": 95} if fmt == "JPEG" else {"lossless": True} if fmt == "WEBP" else {}
    plain = encode(tissue(), fmt, **options)
    marked = encode(tissue(), fmt, icc_profile=profile, **options)
    if fmt == "PNG":
        marked = with_chunk(marked, b"gAMA", (20000).to_bytes(4, "big"), before=b"iCCP")
    check_image_metadata(marked)
    managed = ImageCms.profileToProfile(Image.open(io.BytesIO(marked)), io.BytesIO(profile), io.BytesIO(srgb))
    assert np.abs(np.asarray(managed).astype(int) - decode(marked)).max() > 20, (
        "a viewer that obeys shows other colours"
    )
    np.testing.assert_array_equal(decode_own(marked), decode_own(plain))
    np.testing.assert_array_equal(decode(marked), decode(plain))
    one, other = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in (marked, plain))
    np.testing.assert_array_equal(one, other)
