"""Pictures and class ids arrive as they are stored, whatever they are stored in."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augengine import open_dataset
from augengine.errors import SourceError
from augengine.loader.catalogue import Stored, read_catalogue
from augengine.loader.decode import Decoded, SampleReader
from tests.support.pictures import class_ids, decode, encode, packed_grey, tissue, turned
from tests.support.small_shards import pack

HEIGHT, WIDTH = 24, 32
PIXELS = tissue(HEIGHT, WIDTH)


def stored(tmp_path: Path, *members: tuple[str, bytes]) -> Stored:
    """One sample of a shard of its own."""
    (source,) = read_catalogue([str(pack(tmp_path / "s.tar", [(f"a.{name}", data) for name, data in members]))]).sources
    return source.samples[0]


def shown(tmp_path: Path, *members: tuple[str, bytes]) -> Decoded:
    with closing(SampleReader()) as reader:
        return reader.read(stored(tmp_path, *members))


@pytest.mark.parametrize(("extension", "fmt", "options"), [
    ("png", "PNG", {}), ("jpg", "JPEG", {"quality": 90}), ("webp", "WEBP", {"lossless": True}),
])  # fmt: skip
def test_pixels_are_those_of_the_file(extension: str, fmt: str, options: dict[str, Any], tmp_path: Path) -> None:
    data = encode(PIXELS, fmt, **options)
    image = shown(tmp_path, (extension, data)).image
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - decode(data)).max() <= (3 if fmt == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP"])
def test_an_orientation_is_never_applied(fmt: str, orientation: int, tmp_path: Path) -> None:
    extension = {"JPEG": "jpg"}.get(fmt, fmt.lower())
    tagged = shown(tmp_path, (extension, turned(PIXELS, fmt, orientation))).image
    plain = shown(tmp_path, (extension, encode(PIXELS, fmt))).image
    assert np.array_equal(tagged, plain)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_masks_of_any_depth_give_their_class_ids(bits: int, tmp_path: Path) -> None:
    ids = class_ids(HEIGHT, WIDTH, classes=min(1 << bits, 7))
    data = encode(ids) if bits == 8 else packed_grey(ids, bits)
    mask = shown(tmp_path, ("png", encode(PIXELS)), ("seg.png", data)).mask
    assert mask is not None
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, ids)


def test_palette_masks_give_their_indices_not_their_colours(tmp_path: Path) -> None:
    ids = class_ids(HEIGHT, WIDTH, classes=5)
    picture, out = Image.fromarray(ids).copy(), io.BytesIO()
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 200, 100, 0])
    picture.save(out, "PNG")
    mask = shown(tmp_path, ("jpg", encode(PIXELS, "JPEG")), ("seg.png", out.getvalue())).mask
    assert mask is not None
    assert np.array_equal(mask, ids)


def test_what_jsons_say_is_read_where_it_stands(tmp_path: Path) -> None:
    record = {"source_key": "k", "variant": 0, "sigma": 0.03, "mpp": 0.25, "source": json.dumps({"patient": 7})}
    found = shown(tmp_path, ("png", encode(PIXELS)), ("json", json.dumps(record).encode()))
    assert (found.meta, found.sigma, found.patient, found.mpp) == (record, 0.03, "7", 0.25)
    bare = shown(tmp_path, ("png", encode(PIXELS)))
    assert (bare.meta, bare.sigma, bare.patient, bare.mpp, bare.mask) == ({}, 0.0, "", 0.0, None)


@pytest.mark.parametrize(("members", "words"), [
    ([("png", b"no picture")], "no picture"),
    ([("png", encode(PIXELS)), ("seg.png", b"no mask")], "the mask cannot be read"),
    ([("png", encode(PIXELS)), ("seg.png", encode(PIXELS))], "colour"),
    ([("png", encode(PIXELS)), ("seg.png", encode(class_ids(8, 9)))], "its mask is 9 x 8 px, its image 32 x 24 px"),
    ([("png", encode(class_ids(HEIGHT, WIDTH)))], "greyscale"),
])  # fmt: skip
def test_a_bad_sample_is_named_with_its_shard(members: list[tuple[str, bytes]], words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"a in .*s\.tar: .*{words}"):
        shown(tmp_path, *members)


def test_only_what_is_shown_is_decoded(tmp_path: Path) -> None:
    good, bad = encode(PIXELS), b"no picture"
    members = [
        (f"a-v{variant:04d}.{name}", data)
        for variant, image in enumerate([good, bad, bad])
        for name, data in (
            ("png", image),
            ("json", json.dumps({"source_key": "a", "variant": variant}).encode()),
        )
    ]
    file = pack(tmp_path / "s.tar", members)
    (sample,) = open_dataset(file, p=0)
    assert sample["__key__"] == "a-v0000"
    with pytest.raises(SourceError, match="a-v000"):
        list(open_dataset(file, p=1))


@pytest.mark.parametrize(
    ("name", "masks"),
    [
        ("02_mask_by_suffix.tar", 3),
        ("03_two_folders.tar", 3),
        ("04_label.tar", 3),
        ("07_members_apart.tar", 3),
        ("11_mixed", 3),
        ("13_four_bit_mask.tar", 3),
        ("14_one_without_mask.tar", 2),
        ("15_null_then_text.tar", 12),
    ],
)
def test_shards_as_other_tools_pack_them_are_read(name: str, masks: int, shard_cases: Path) -> None:
    samples = list(open_dataset(shard_cases / name))
    assert len(samples) == max(masks, 3)
    found = [sample["mask"] for sample in samples if sample["mask"] is not None]
    assert len(found) == masks
    assert {tuple(mask.unique().tolist()) for mask in found} == {(0, 1, 2)}
