"""A picture of class ids as labels: in the slide's frame at any resolution, in memory or by region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from augengine.annotations import Labels, mask_image, open_labels
from augengine.annotations.runs import parts
from augengine.errors import ContentError, SourceError
from tests.support.pictures import class_ids, encode, tissue

Mask = NDArray[np.uint8]
IDS = class_ids(48, 64, classes=3)


def read(file: Path, data: bytes, width: int = 64, height: int = 48) -> Labels:
    file.write_bytes(data)
    return open_labels(file, slide_width=width, slide_height=height)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_a_mask_at_level_0_comes_back_as_it_is(fmt: str, tmp_path: Path) -> None:
    found = read(tmp_path / "m", encode(IDS, fmt))
    assert found.classes == {"1", "2"}
    assert np.array_equal(found.mask(0, 0, downsample=1, height=48, width=64, classes={"1": 1, "2": 2}), IDS)
    only = found.mask(0, 0, downsample=1, height=48, width=64, classes={"2": 7, "x": 9, "0": 3})
    assert np.array_equal(only, np.where(IDS == 2, 7, 0))


def test_a_bigtiff_is_read_too(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "m.tif", big_tiff=True)
    assert (tmp_path / "m.tif").read_bytes().startswith(b"II+\0")
    found = open_labels(tmp_path / "m.tif", slide_width=64, slide_height=48)
    assert np.array_equal(found.mask(0, 0, downsample=1, height=48, width=64, classes={"1": 1, "2": 2}), IDS)


def test_palette_indices_are_class_ids(tmp_path: Path) -> None:
    picture = Image.fromarray(IDS, "P")
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "m.png")
    found = open_labels(tmp_path / "m.png", slide_width=64, slide_height=48)
    assert np.array_equal(found.mask(0, 0, downsample=1, height=48, width=64, classes={"1": 1, "2": 2}), IDS)


def test_a_colour_mask_counts_by_its_grey_levels(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[10:20, 30:40, 0] = 255
    found = read(tmp_path / "m.png", encode(red))
    assert found.classes == {"76"}
    assert found.mask(0, 0, downsample=1, height=48, width=64, classes={"76": 1}).sum() == 100
    red[0, 0] = (0, 129, 0)  # as bright as pure red
    with pytest.raises(ContentError, match="same grey level"):
        read(tmp_path / "m.png", encode(red))


@pytest.mark.parametrize("downsample", [1.0, 2.0, 3.3])
def test_a_smaller_mask_is_scaled_to_the_slide_by_nearest_pixels(downsample: float, tmp_path: Path) -> None:
    small = read(tmp_path / "small.png", encode(IDS), width=640, height=480)
    large = read(tmp_path / "large.png", encode(IDS.repeat(10, axis=0).repeat(10, axis=1)), width=640, height=480)
    asked = {"downsample": downsample, "height": 90, "width": 110, "classes": {"1": 1, "2": 2}}
    masks = [each.mask(33.5, -20, **asked) for each in (small, large)]  # type: ignore[arg-type]
    assert masks[0].any()
    assert np.array_equal(masks[0], masks[1])
    assert small.objects("1") == large.objects("1") != ()


def test_a_size_rounded_down_is_still_the_slides_shape(tmp_path: Path) -> None:
    found = read(tmp_path / "m.png", encode(IDS), width=64 * 32 + 17, height=48 * 32 + 23)
    assert found.mask(0, 0, downsample=32, height=48, width=64, classes={"1": 1}).any()
    with pytest.raises(SourceError, match="64 x 48 px, which is not the shape of the slide"):
        read(tmp_path / "m.png", encode(IDS), width=48, height=64)


def test_a_class_of_a_mask_is_its_id_and_nothing_else(tmp_path: Path) -> None:
    found = read(tmp_path / "m.png", encode(IDS), width=64, height=48)
    for name in ("01", "+1", "1.0", "256", "0", "x", ""):
        assert found.objects(name) == found.outlines(name) == ()
        assert not found.mask(0, 0, downsample=1, height=48, width=64, classes={name: 1}).any()
    objects = {name: len(found.objects(name)) for name in ("1", "2")}
    assert found.counts([" 2", "9"]) == {"2": objects["2"], "9": 0, "1": objects["1"]}


def test_a_large_mask_is_read_by_region_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = class_ids(300, 200, classes=4)
    Image.fromarray(ids).save(tmp_path / "m.tif", compression="tiff_lzw", tile=(64, 64))
    opened = [open_labels(tmp_path / "m.tif", slide_width=800, slide_height=1200)]
    monkeypatch.setattr(mask_image, "IN_MEMORY_PX", 0)
    monkeypatch.setattr(mask_image, "_STRIP_PX", 1000)
    opened.append(open_labels(tmp_path / "m.tif", slide_width=800, slide_height=1200))
    classes = {"1": 1, "2": 2, "3": 3}
    for x, y, downsample in ((0, 0, 4), (-50, 900, 1.7), (100.5, 33, 9), (790, 1190, 0.25), (5000, 0, 1)):
        first, second = (
            each.mask(x, y, downsample=downsample, height=140, width=130, classes=classes) for each in opened
        )
        assert np.array_equal(first, second)
    assert all(opened[0].objects(name) == opened[1].objects(name) for name in classes)


def _flood(ids: Mask) -> list[tuple[int, int, int, int, int]]:
    """Value, left, top, right, bottom of each object, by walking from pixel to pixel."""
    seen, found = np.zeros(ids.shape, bool), []
    for start in zip(*np.nonzero(ids), strict=True):
        if seen[start]:
            continue
        todo, pixels = [start], []
        seen[start] = True
        while todo:
            y, x = todo.pop()
            pixels.append((int(y), int(x)))
            for beside in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                inside = 0 <= beside[0] < ids.shape[0] and 0 <= beside[1] < ids.shape[1]
                if inside and not seen[beside] and ids[beside] == ids[start]:
                    seen[beside] = True
                    todo.append(beside)
        ys, xs = zip(*pixels, strict=True)
        found.append((int(ids[start]), min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(2, 4))
def test_objects_are_the_connected_pixels_however_the_mask_is_cut(
    seed: int, height: int, width: int, strip: int, classes: int
) -> None:
    ids = np.random.default_rng(seed).integers(0, classes, (height, width)).astype(np.uint8)
    found = parts(ids[top : top + strip] for top in range(0, height, strip))
    assert [(each.value, each.left, each.top, each.right, each.bottom) for each in found] == _flood(ids)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encode(tissue()), "colours: it is a picture, not a mask"),
        (encode(IDS, "JPEG"), "JPEG, which blurs class ids"),
        (encode(IDS.astype(np.uint16)), "not 8-bit class ids"),
        (encode(IDS, compress_level=0)[:-2000], "cannot be read"),
        (b"\x89PNG\r\n\x1a\n", "damaged or no picture"),
        (b"II*\0\0\0", "damaged or no picture"),
    ],
)
def test_a_picture_that_is_no_mask_is_refused_with_a_hint(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=words) as refusal:
        read(tmp_path / "m", data)
    assert refusal.value.hint


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_mask_that_jpeg_changed_within_a_tiff_is_refused(
    mode: str, in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_memory:
        monkeypatch.setattr(mask_image, "IN_MEMORY_PX", 0)
    Image.fromarray(IDS * 255).convert(mode).save(tmp_path / "m.tif", compression="jpeg")
    with pytest.raises(ContentError, match=r"m\.tif: the mask is coded as jpeg within TIFF") as refusal:
        read(tmp_path / "m.tif", (tmp_path / "m.tif").read_bytes())
    assert "PNG" in refusal.value.hint


def test_a_large_mask_must_hold_8_bit_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_image, "IN_MEMORY_PX", 0)
    for data in (encode(tissue()), encode(IDS.astype(np.uint16)), encode(IDS, mode="1")):
        with pytest.raises(ContentError, match="not 8-bit class ids"):
            read(tmp_path / "m", data)


def test_damage_in_a_large_mask_is_found_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_image, "IN_MEMORY_PX", 0)
    found = read(tmp_path / "m", encode(IDS, compress_level=0)[:-2000])
    with pytest.raises(ContentError, match="damaged"):
        found.mask(0, 0, downsample=1, height=48, width=64, classes={"1": 1})
