from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augengine.errors import ContentError, SpecError
from augengine.pictures.encode import encode_image, encode_mask, encoder_version
from augengine.pictures.headers import read_size
from augengine.pictures.images import Decoder, check_image
from augengine.pictures.masks import check_mask, mask_is_canonical, read_mask
from augengine.spec import MAX_WEBP_SIDE, ImageFormat
from tests.support.pictures import bomb, class_ids, encode, packed_grey, tissue

LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("BMP", {}),
    ("WEBP", {"lossless": True}),
]
READ = [*LOSSLESS, ("JPEG", {"quality": 95}), ("WEBP", {})]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(threads=2, max_side=1024)


@pytest.mark.parametrize(("fmt", "options"), READ)
def test_the_header_gives_the_size_without_decoding(fmt: str, options: dict[str, Any]) -> None:
    data = encode(tissue(48, 64), fmt, **options)
    assert check_image(data, max_side=64) == (48, 64)
    assert read_size(io.BytesIO(data)) == (48, 64)


@pytest.mark.parametrize(("fmt", "options"), LOSSLESS)
def test_lossless_files_decode_to_their_pixels(decoder: Decoder, fmt: str, options: dict[str, Any]) -> None:
    pixels = tissue()
    decoded = decoder.decode([encode(pixels, fmt, **options)])[0]
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize(
    ("mode", "fmt", "found"),
    [
        ("RGBA", "PNG", "alpha"),
        ("RGBA", "WEBP", "alpha"),
        ("LA", "PNG", "alpha"),
        ("L", "PNG", "greyscale"),
        ("L", "JPEG", "greyscale"),
        ("1", "PNG", "greyscale"),
        ("P", "PNG", "palette"),
        ("P", "TIFF", "palette"),
        ("CMYK", "JPEG", "CMYK"),
        ("CMYK", "TIFF", "CMYK"),
        ("I;16", "PNG", "greyscale"),
        ("LAB", "TIFF", "colour space"),
    ],
)
def test_anything_but_8_bit_rgb_is_refused_by_name(mode: str, fmt: str, found: str) -> None:
    picture = Image.new(mode, (64, 48))
    out = io.BytesIO()
    picture.save(out, fmt)
    with pytest.raises(ContentError, match=found) as caught:
        check_image(out.getvalue(), max_side=1024)
    assert "RGB" in caught.value.hint


def test_16_bit_colour_is_refused() -> None:
    import cv2

    deep = cv2.imencode(".png", tissue().astype(np.uint16) * 257)[1].tobytes()
    with pytest.raises(ContentError, match="uint16"):
        check_image(deep, max_side=1024)


def test_a_second_page_is_refused_naming_tile() -> None:
    out = io.BytesIO()
    page = Image.fromarray(tissue())
    page.save(out, "TIFF", save_all=True, append_images=[page])
    with pytest.raises(ContentError, match="2 pages") as caught:
        check_image(out.getvalue(), max_side=1024)
    assert "tile" in caught.value.hint


def test_a_bomb_is_stopped_at_its_header(decoder: Decoder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_size(io.BytesIO(bomb())) == (60000, 60000)
    with pytest.raises(ContentError, match="60000 x 60000"):
        check_image(bomb(), max_side=1024)
    assert isinstance(decoder.decode([bomb()])[0], ContentError)
    with pytest.raises(ContentError, match="60000 x 60000"):
        read_mask(bomb(), max_side=1024)


def damaged() -> dict[str, bytes]:
    png, jpg = encode(tissue(256, 256)), encode(tissue(256, 256), "JPEG")
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 1
    return {
        "empty": b"",
        "garbage": bytes(range(256)) * 4,
        "png cut in half": png[: len(png) // 2],
        "png without its tail": png[:-3],
        "png with a flipped bit": bytes(flipped),
        "jpg cut in half": jpg[: len(jpg) // 2],
        "tif cut in half": encode(tissue(256, 256), "TIFF")[:90000],
        "webp cut in half": encode(tissue(256, 256), "WEBP")[:500],
        "bmp cut in half": encode(tissue(256, 256), "BMP")[:90000],
    }


@pytest.mark.parametrize("what", damaged())
def test_a_bad_image_leaves_its_neighbours_alone(decoder: Decoder, what: str) -> None:
    good = [tissue(seed=1), tissue(seed=2)]
    first, bad, last = decoder.decode([encode(good[0]), damaged()[what], encode(good[1])])
    np.testing.assert_array_equal(first, good[0])
    np.testing.assert_array_equal(last, good[1])
    assert isinstance(bad, ContentError)
    assert "image" in bad.message


def test_a_batch_of_bad_images_alone_is_decoded_to_errors(decoder: Decoder) -> None:
    assert all(isinstance(outcome, ContentError) for outcome in decoder.decode([b"", b"x"]))
    assert decoder.decode([]) == []


def test_exif_orientation_is_not_applied(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decoder.decode([encode(tissue(48, 64), "JPEG", exif=exif.tobytes())])[0]
    assert isinstance(decoded, np.ndarray)
    assert decoded.shape == (48, 64, 3)


def test_a_decoder_without_threads_is_refused() -> None:
    with pytest.raises(SpecError, match="at least 1"):
        Decoder(threads=0, max_side=1024)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"garbage" * 9, encode(tissue())[:20], encode(tissue(), "JPEG")[:30]])
def test_an_unreadable_header_has_no_size(data: bytes) -> None:
    assert read_size(io.BytesIO(data)) is None


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_no_damaged_header_raises_anything_else(fmt: str) -> None:
    data = encode(tissue(), fmt)
    rng = np.random.default_rng(0)
    for _ in range(300):
        fuzzed = bytearray(data[:400])
        for position in rng.integers(0, min(len(fuzzed), 120), 3):
            fuzzed[position] = int(rng.integers(256))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            size = read_size(io.BytesIO(fuzzed))
        assert size is None or min(size) > 0


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_keep_their_class_ids(mode: str, fmt: str) -> None:
    ids = class_ids(classes=200)
    picture = Image.fromarray(ids)
    if mode == "P":
        picture = picture.copy()
        picture.putpalette([255 - i // 3 for i in range(768)])
    out = io.BytesIO()
    picture.save(out, fmt)
    np.testing.assert_array_equal(read_mask(out.getvalue(), max_side=64), ids)


def test_one_bit_masks_become_0_and_1() -> None:
    ids = class_ids(classes=2)
    out = io.BytesIO()
    Image.fromarray(ids.astype(bool)).save(out, "PNG")
    assert not mask_is_canonical(out.getvalue())
    np.testing.assert_array_equal(read_mask(out.getvalue(), max_side=64), ids)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_levels_of_few_bits_are_class_ids_as_they_are(bits: int) -> None:
    ids = class_ids(classes=2**bits)
    data = packed_grey(ids, bits)
    np.testing.assert_array_equal(read_mask(data, max_side=64), ids)
    assert mask_is_canonical(data) == (bits == 8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_indices_of_few_bits_are_class_ids_as_they_are(bits: int) -> None:
    ids = class_ids(classes=2**bits)
    picture, out = Image.fromarray(ids), io.BytesIO()
    picture.putpalette([7 * value % 256 for value in range(3 * 2**bits)])
    picture.save(out, "PNG", bits=bits)
    np.testing.assert_array_equal(read_mask(out.getvalue(), max_side=64), ids)


def test_white_is_zero_is_refused_rather_than_inverted() -> None:
    data = encode(class_ids(), "TIFF", tiffinfo={262: 0})
    with pytest.raises(ContentError, match="packed"):
        read_mask(data, max_side=64)


@pytest.mark.parametrize(
    ("fmt", "options", "said"),
    [
        ("JPEG", {"quality": 100}, "JPEG"),
        ("WEBP", {"quality": 90}, "lossy WebP"),
        ("TIFF", {"compression": "jpeg"}, "jpeg within TIFF"),
    ],
)
def test_a_mask_that_was_coded_with_losses_is_refused(fmt: str, options: dict[str, Any], said: str) -> None:
    data = encode(class_ids() * 100, fmt, **options)
    for read in (read_mask, check_mask):
        with pytest.raises(ContentError, match=f"coded as {said}") as caught:
            read(data, max_side=64)
        assert "PNG" in caught.value.hint


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "LA", "F"])
def test_masks_that_are_no_class_ids_are_refused(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (64, 48)).save(out, "TIFF")
    with pytest.raises(ContentError, match=f"mode {mode}") as caught:
        read_mask(out.getvalue(), max_side=64)
    assert "8-bit" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"garbage", encode(class_ids())[:70]])
def test_an_unreadable_mask_is_a_content_error(data: bytes) -> None:
    with pytest.raises(ContentError, match="cannot be read"):
        read_mask(data, max_side=64)


def test_only_8_bit_png_masks_are_copied_as_they_are() -> None:
    ids = class_ids()
    assert mask_is_canonical(encode(ids))
    assert mask_is_canonical(encode_mask(ids))
    assert not mask_is_canonical(encode(ids, "TIFF"))
    assert not mask_is_canonical(encode(tissue()))
    np.testing.assert_array_equal(read_mask(encode_mask(ids), max_side=64), ids)


@pytest.mark.parametrize("fmt", ["png", "webp"])
def test_encoding_is_lossless_and_the_same_twice(decoder: Decoder, fmt: Any) -> None:
    pixels = tissue(61, 47)
    assert encode_image(pixels, fmt) == encode_image(pixels.copy(), fmt)
    np.testing.assert_array_equal(decoder.decode([encode_image(pixels, fmt)])[0], pixels)


def test_jpg_is_a_few_grey_levels_off_and_keeps_its_colour_resolution(decoder: Decoder) -> None:
    data = encode_image(tissue(), "jpg")
    decoded = decoder.decode([data])[0]
    assert isinstance(decoded, np.ndarray)
    assert np.abs(decoded.astype(int) - tissue()).mean() < 3
    assert Image.open(io.BytesIO(data)).layer == [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("pixels", [np.zeros((8, 8, 3), np.uint16), np.zeros((8, 8, 3), np.float32)])
def test_only_8_bit_pixels_are_encoded(pixels: Any) -> None:
    with pytest.raises(SpecError, match="8-bit"):
        encode_image(pixels, "png")


def test_the_encoder_names_every_codec_it_writes_with() -> None:
    assert encoder_version().startswith("opencv ")
    for codec in ("zlib", "png", "jpeg", "webp"):
        assert f"; {codec} " in encoder_version()


@pytest.mark.parametrize(("image_format", "side"), [("webp", MAX_WEBP_SIDE + 1), ("jpg", 65_501)])
def test_a_size_that_a_format_cannot_hold_is_refused_and_never_empty(image_format: ImageFormat, side: int) -> None:
    wide = np.full((4, side, 3), 200, np.uint8)
    with pytest.raises(ContentError, match=f"{side} x 4 px cannot be encoded"):
        encode_image(wide, image_format)
    assert encode_image(wide, "png")


def test_the_longest_webp_is_encoded() -> None:
    assert encode_image(np.full((4, MAX_WEBP_SIDE, 3), 200, np.uint8), "webp")
