"""A folder of images as a source: what is found in it, which masks belong to it, and which samples are bad."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from augengine.errors import SourceError
from augengine.listing import check_sides
from augengine.pictures.masks import read_mask
from augengine.sample import Failure, Sample
from tests.support.pictures import Pixels, bomb, class_ids, encode, tissue, write_folder
from tests.support.sources import open_cd68, read_all, whole_unit


def test_images_are_found_at_any_depth_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write_folder(tmp_path, ["b/2", "a", "b/10", "c.d/e f"])
    (tmp_path / "z.TIF").write_bytes(encode(tissue(), "TIFF"))
    listing = open_cd68(tmp_path).scan()
    assert [entry.key for entry in listing.entries()] == ["a", "b_10", "b_2", "c_d_e_f", "z"]
    assert listing.largest == (48, 64)
    assert listing.splits


def test_masks_and_sidecars_beside_an_image_come_with_it(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", "b"], masks=True)
    (tmp_path / "a.json").write_text('{"mpp": 0.25, "patient": 7}')
    (tmp_path / "c.jpg").write_bytes(encode(tissue(), "JPEG"))
    source = open_cd68(tmp_path)
    a, b, c = read_all(source)
    assert isinstance(a, Sample)
    assert isinstance(b, Sample)
    assert isinstance(c, Sample)
    assert a.meta == {"mpp": 0.25, "patient": 7}
    assert b.mask == encode(class_ids(seed=1))
    assert (c.mask, c.image_ext) == (None, "jpg")
    assert source.scan().mpps == (0.25,)


def test_masks_of_another_suffix_are_told_from_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(tissue()))
    (tmp_path / "a-labels.tif").write_bytes(encode(class_ids(), "TIFF"))
    (sample,) = read_all(open_cd68(tmp_path, mask_suffix="-labels"))
    assert isinstance(sample, Sample)
    assert sample.mask is not None
    np.testing.assert_array_equal(read_mask(sample.mask, max_side=64), class_ids())


def test_a_mask_without_an_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a"])
    (tmp_path / "b_mask.png").write_bytes(encode(class_ids()))
    _, orphan = read_all(open_cd68(tmp_path))
    assert isinstance(orphan, Failure)
    assert "without an image" in orphan.reason


@pytest.mark.parametrize("pixels", [class_ids(), tissue(seed=1)], ids=["grey", "colour"])
def test_two_images_of_one_name_are_bad_samples_both(tmp_path: Path, pixels: Pixels) -> None:
    write_folder(tmp_path, ["a/k", "b/k"])
    (tmp_path / "a" / "k.jpg").write_bytes(encode(pixels, "JPEG"))
    (tmp_path / "a" / "k.json").write_text("{}")
    outcomes = read_all(open_cd68(tmp_path))
    assert [(outcome.key, isinstance(outcome, Sample)) for outcome in outcomes] == [
        ("a_k", False), ("a_k", False), ("b_k", True),
    ]  # fmt: skip
    for outcome in outcomes[:2]:
        assert isinstance(outcome, Failure)
        assert "a/k.jpg and a/k.png have one name: which is the image? (put masks" in outcome.reason


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("Images", "Labels"), ("p/img", "p/seg"), (".", "masks")]
)
@pytest.mark.parametrize("suffix", ["", "_mask"])
def test_folders_of_images_and_masks_below_one_are_put_together(
    tmp_path: Path, images: str, masks: str, suffix: str
) -> None:
    write_folder(tmp_path / images, ["x/a", "x/b"])
    for key in ("a", "lost"):
        file = tmp_path / masks / f"x/{key}{suffix}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(class_ids()))
    found = {entry.name: (entry.mask, entry.reason) for entry in open_cd68(tmp_path).scan().entries()}
    prefix = "" if images == "." else f"{images}/"
    assert found == {
        f"{prefix}x/a.png": (f"{masks}/x/a{suffix}.png", ""),
        f"{prefix}x/b.png": ("", ""),
        f"{masks}/x/lost{suffix}.png": ("", "it is a mask by its name, without an image beside it"),
    }


def test_the_mask_of_a_mask_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", "a_mask", "a_mask_mask"])
    reasons = {entry.name: entry.reason for entry in open_cd68(tmp_path).scan().entries()}
    assert reasons == {"a.png": "", "a_mask_mask.png": "it is the mask of a mask by its name"}


@pytest.mark.parametrize("folder", ["", "masks"])
def test_two_masks_of_one_image_are_named(tmp_path: Path, folder: str) -> None:
    write_folder(tmp_path / "images", ["a", "b"], masks=not folder)
    options: dict[str, str] = {}
    if folder:
        write_folder(tmp_path / folder, ["a", "a_mask", "b"])
        options = {"masks": str(tmp_path / folder)}
    else:
        (tmp_path / "images" / "a_mask.tif").write_bytes(encode(class_ids(), "TIFF"))
    a, b = read_all(open_cd68(tmp_path / "images", **options))
    assert isinstance(a, Failure)
    assert "which is the mask?" in a.reason
    assert isinstance(b, Sample)


@pytest.mark.parametrize("suffix", ["", "_mask"])
@pytest.mark.parametrize("masks", ["masks", "images/masks"])
def test_a_parallel_folder_holds_the_masks(tmp_path: Path, masks: str, suffix: str) -> None:
    write_folder(tmp_path / "images", ["x/a", "x/b"])
    (tmp_path / masks / "x").mkdir(parents=True)
    (tmp_path / masks / "x" / f"a{suffix}.png").write_bytes(encode(class_ids()))
    a, b = read_all(open_cd68(tmp_path / "images", masks=str(tmp_path / masks)))
    assert isinstance(a, Sample)
    assert a.mask == encode(class_ids())
    assert isinstance(b, Failure)
    assert "no mask" in b.reason


def test_a_parallel_folder_that_fits_no_image_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", ["a"])
    write_folder(tmp_path / "masks", ["other"])
    with pytest.raises(SourceError, match="no mask in"):
        open_cd68(tmp_path / "images", masks=str(tmp_path / "masks")).scan()
    with pytest.raises(SourceError, match="there is no folder"):
        open_cd68(tmp_path / "images", masks=str(tmp_path / "nowhere"))


def test_colliding_and_over_long_keys_are_bad_samples_that_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a/b", "a_b", "k" * 120, "ok"])
    (tmp_path / "a.b.png").write_bytes(encode(tissue()))
    outcomes = read_all(open_cd68(tmp_path))
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Failure)}
    assert [isinstance(outcome, Sample) for outcome in outcomes] == [True, False, False, False, True]
    assert any("120 bytes" in reason for reason in reasons)
    assert sum("taken by a.b.png in" in reason for reason in reasons) == 2


def test_unreadable_files_are_failures_beside_good_ones(tmp_path: Path) -> None:
    write_folder(tmp_path, ["good"])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loose.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "meta.png").write_bytes(encode(tissue()))
    (tmp_path / "meta.json").write_text("{")
    outcomes = read_all(open_cd68(tmp_path))
    assert [type(outcome) for outcome in outcomes] == [Sample, Failure, Failure, Failure]
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)]
    for reason, expected in zip(reasons, ("no plain file", "json", "no plain file"), strict=True):
        assert expected in reason


def test_a_name_that_cannot_be_printed_is_a_bad_sample_with_a_printable_name(tmp_path: Path) -> None:
    write_folder(tmp_path, ["good"])
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff\x1b.png")).write_bytes(encode(tissue()))
    _, bad = read_all(open_cd68(tmp_path))
    assert isinstance(bad, Failure)
    assert (bad.key + bad.reason).isprintable()


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "in", ["a"])
    write_folder(tmp_path / "out", ["secret"])
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out" / "secret.png")
    with pytest.raises(SourceError, match="leads out of"):
        open_cd68(tmp_path / "in").scan()
    (tmp_path / "in" / "link.png").unlink()
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    with pytest.raises(SourceError, match="leads out of"):
        open_cd68(tmp_path / "in").scan()


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", ".b", ".checkpoints/c"])
    assert [entry.key for entry in open_cd68(tmp_path).scan().entries()] == ["a"]


def test_images_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", "b"])
    source = open_cd68(tmp_path)
    job = whole_unit(source.scan())
    assert len(list(source.read(job))) == 2
    (tmp_path / "b.png").write_bytes(b"shorter")
    with pytest.raises(SourceError, match="changed since out was planned"):
        list(source.read(job))


def test_large_images_are_refused_naming_tile(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a"])
    (tmp_path / "b.png").write_bytes(encode(tissue(100, 200)))
    listing = open_cd68(tmp_path).scan()
    with pytest.raises(SourceError, match=r"1 of 2 .* b\.png with 200 x 100") as caught:
        check_sides(listing, 128)
    assert "augengine tile" in caught.value.hint
    assert check_sides(listing, 200) == listing


def test_a_large_image_among_many_small_ones_is_one_bad_sample(tmp_path: Path) -> None:
    write_folder(tmp_path, [f"k{number}" for number in range(10)])
    (tmp_path / "b.png").write_bytes(encode(tissue(100, 200)))
    listing = check_sides(open_cd68(tmp_path).scan(), 128)
    assert [(entry.key, entry.reason) for entry in listing.bad] == [
        ("b", "its header promises 200 x 100 px, the longest side allowed is 128")
    ]
    assert listing.largest == (48, 64)


def test_a_header_that_promises_what_its_bytes_cannot_hold_is_one_bad_sample(tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", "c"])
    (tmp_path / "b.png").write_bytes(bomb())
    listing = check_sides(open_cd68(tmp_path).scan(), 1024)
    assert [entry.key for entry in listing.bad] == ["b"]
    assert "promises 60000 x 60000 px" in listing.bad[0].reason
    assert listing.largest == (48, 64)


def test_real_tissue_is_listed_as_it_is(shared_data: Path) -> None:
    listing = open_cd68(shared_data / "hannover" / "cd68_glomeruli_20x").scan()
    assert listing.samples == 3
    assert listing.largest == (512, 512)
    assert not listing.bad


def test_files_of_no_sample_are_said(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "in", ["a", "b"])
    for name in ("a.json", "c.json"):
        (images / name).write_text("{}")
    for name in ("a.npy", "labels.csv", "d.jp2"):
        (images / name).write_bytes(b"x")
    said = "4 files belong to no sample and are left out: a.npy, c.json, d.jp2, labels.csv"
    assert open_cd68(images).scan().notes == (said,)
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a_mask", "b", "e"):
        (masks / f"{name}.png").write_bytes(encode(class_ids()))
    (note,) = open_cd68(images, masks=str(masks)).scan().notes
    assert note.startswith("5 files belong to no sample")
    assert note.endswith("e.png")


@pytest.mark.parametrize(
    ("names", "suffix"), [(["a", "a.mask", "b", "b.mask"], ".mask"), (["a", "a_GT", "b", "b_GT"], "_GT")]
)
def test_the_suffix_that_is_proposed_makes_pairs(names: list[str], suffix: str, tmp_path: Path) -> None:
    write_folder(tmp_path, names)
    assert f"say --mask-suffix {suffix}" in open_cd68(tmp_path).scan().warnings[0]
    found = open_cd68(tmp_path, mask_suffix=suffix).scan()
    assert [entry.key for entry in found.entries()] == ["a", "b"]
    assert all(entry.mask for entry in found.entries())
    assert not found.warnings


@pytest.mark.parametrize("mask", ["mask_{}", "seg/{}", "{}.gt.v2", "x/Label {}"])
def test_samples_that_are_named_like_masks_are_warned_of(mask: str, tmp_path: Path) -> None:
    write_folder(tmp_path, [each for i in "ab" for each in (f"image_{i}", mask.format(i))])
    (warning,) = open_cd68(tmp_path).scan().warnings
    assert warning.startswith("2 samples are named like masks, as ")


def test_classes_in_folders_and_masks_alone_are_not_warned_of(tmp_path: Path) -> None:
    write_folder(tmp_path, ["tumour/1", "stroma/1", "legend/1", "labelled_2"])
    assert not open_cd68(tmp_path).scan().warnings
    write_folder(tmp_path / "label_0", ["1", "2"])
    assert not open_cd68(tmp_path / "label_0").scan().warnings


@pytest.mark.parametrize("masks", ["masks", "ground_truth", "gt", "Segmentation"])
def test_masks_in_a_folder_beside_that_of_the_images_are_theirs(masks: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "images", ["a"])
    (tmp_path / masks).mkdir()
    (tmp_path / masks / "a.png").write_bytes(encode(class_ids()))
    (entry,) = open_cd68(tmp_path).scan().entries()
    assert entry.mask == f"{masks}/a.png"
