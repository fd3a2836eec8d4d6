"""Masks are told from images by their names, in a tar as in a folder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from augengine.shards.pairing import pair_masks

PARTS = st.sampled_from(["k", "k_mask", "k_mask_mask", "images", "masks", "Labels", "IMG", "p1", "_mask"])
NAMES = st.sets(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=12)


@given(NAMES)
def test_each_picture_is_an_image_a_mask_of_one_or_lost(names: set[str]) -> None:
    pairs = pair_masks(names, names, "_mask")
    assert pairs.images.keys() | pairs.lost <= names
    assert pairs.lost.isdisjoint(pairs.images)
    assert set(pairs.images.values()) <= names
    assert all(mask != image for mask, image in pairs.images.items())
    assert pairs.sound <= pairs.images.keys()
    assert all(pairs.images[mask] not in pairs.images for mask in pairs.sound)


@given(NAMES)
def test_the_order_of_the_names_decides_nothing(names: set[str]) -> None:
    assert pair_masks(sorted(names), names, "_mask") == pair_masks(sorted(names, reverse=True), names, "_mask")


def test_a_suffix_comes_before_a_folder() -> None:
    names = ["masks/a", "masks/a_mask", "images/a"]
    assert pair_masks(names, names, "_mask").images == {"masks/a": "images/a", "masks/a_mask": "masks/a"}


def test_folders_of_masks_are_those_with_an_image_elsewhere() -> None:
    names = ["images/a", "masks/a", "masks/b", "labels/c", "other/masks/d"]
    pairs = pair_masks(names, names, "_mask")
    assert (pairs.images, pairs.lost) == ({"masks/a": "images/a"}, frozenset({"masks/b"}))
