"""Crops to train on: each depends on its number alone, lies anywhere, and shows markers if it shall."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from augengine.errors import SourceError, SpecError
from augengine.pictures.markers import marker_mask
from augengine.stains import BUILT_IN
from augengine_train.data import Domain, MarkerPreference, UnpairedCrops, open_domain
from tests.support.drawn_domains import crops, domain, write
from tests.support.pictures import Pixels, spotted, tissue


def is_within(crop: torch.Tensor, image: Pixels) -> bool:
    """Whether a float crop, in one of its eight orientations, is a part of an image."""
    small = np.rint((crop.numpy().transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(image, small.shape).reshape(-1, *small.shape)
    ways = [np.rot90(flipped, turns) for flipped in (small, small[:, ::-1]) for turns in range(4)]
    return any(bool((windows == way).all(axis=(1, 2, 3)).any()) for way in ways)


def test_pictures_smaller_than_the_crop_are_named() -> None:
    small = Domain.of_arrays("pas", [tissue(64, 64), tissue(64, 24), tissue(64, 64)])
    with pytest.raises(SourceError, match="1 of 3 pictures of pas are smaller than the crop of 32 px: 1 with 24 x 64"):
        crops(reference=small)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(SourceError, match=r"too few pictures: the 1 of pas hold 1.0 crops of 32 px"):
        crops(reference=Domain.of_arrays("pas", [tissue(32, 32)]))
    with pytest.raises(SourceError, match="too few pictures: the 0 of pas"):
        crops(reference=Domain.of_arrays("pas", []))


@pytest.mark.parametrize("crop", [0, 30, -4])
def test_a_crop_divides_by_four(crop: int) -> None:
    with pytest.raises(SpecError, match="divide by 4"):
        crops(crop=crop)


def test_an_item_depends_on_seed_and_number_alone() -> None:
    once, again = crops(), crops(steps=500, batch=4)
    expected = [once[i] for i in range(8)]
    for i in (5, 0, 7):
        assert all(torch.equal(again[i][role], expected[i][role]) for role in ("reference", "stain"))
    other = crops(seed=8)
    assert not any(torch.equal(other[i]["stain"], expected[i]["stain"]) for i in range(8))


def test_workers_and_files_give_the_items_of_one_process(tmp_path: Path) -> None:
    write(tmp_path, a=(64, 64), b=(48, 80))
    from_files = crops(stain=open_domain(str(tmp_path), name="cd68"), steps=6)
    alone = [from_files[i]["stain"] for i in range(6)]
    loaded = list(DataLoader(from_files, batch_size=2, num_workers=2))
    assert torch.equal(torch.cat([batch["stain"] for batch in loaded]), torch.stack(alone))
    assert torch.equal(pickle.loads(pickle.dumps(from_files))[3]["stain"], alone[3])  # noqa: S301


def test_crops_are_parts_of_the_pictures_in_eight_orientations() -> None:
    picture = tissue(80, 70)
    one = Domain.of_arrays("pas", [picture])
    drawn = [crops(reference=one, steps=40)[i]["reference"] for i in range(40)]
    assert all(is_within(crop, picture) for crop in drawn)
    assert drawn[0].shape == (3, 32, 32)
    assert drawn[0].dtype == torch.float32
    assert len({crop.numpy().tobytes() for crop in drawn}) == 40
    upright = UnpairedCrops(one, one, crop=32, seed=7, steps=40, augment=False)
    ways = {_orientation(drawn[i], upright[i]["reference"]) for i in range(40)}
    assert ways == {(flip, turns) for flip in (False, True) for turns in range(4)}


def _orientation(turned: torch.Tensor, upright: torch.Tensor) -> tuple[bool, int]:
    (way,) = [
        (flip, turns)
        for flip in (False, True)
        for turns in range(4)
        if torch.equal(torch.rot90(upright.flip(2) if flip else upright, turns, (1, 2)), turned)
    ]
    return way


def test_every_position_is_equally_likely() -> None:
    y, x = np.mgrid[:40, :40]
    places = np.stack([x * 4, y * 4, np.zeros_like(x)], axis=2).astype(np.uint8)
    one = Domain.of_arrays("pas", [places])
    drawn = UnpairedCrops(one, one, crop=16, seed=1, steps=3000, augment=False)
    corners = np.array([drawn[i]["reference"][:2, 0, 0].numpy() for i in range(3000)])
    found = np.rint((corners + 1) * 127.5 / 4).astype(int)
    assert found.min() == 0
    assert found.max() == 24
    counts = np.bincount(found[:, 0], minlength=25)
    assert ((counts - 120) ** 2 / 120).sum() < 51.2, "chi-square, 24 degrees of freedom, 0.1 %"


def test_the_two_crops_of_an_item_have_nothing_to_do_with_each_other() -> None:
    same = domain()
    drawn = UnpairedCrops(same, same, crop=32, seed=0, steps=20)
    assert not any(torch.equal(drawn[i]["reference"], drawn[i]["stain"]) for i in range(20))


def test_preferred_crops_show_markers() -> None:
    sparse = Domain.of_arrays("cd68", [spotted(256, 1, seed) for seed in range(3)] + [spotted(256, 0)])
    stain = BUILT_IN["cd68"]

    def share(probability: float) -> float:
        drawn = crops(stain=sparse, steps=60, markers=MarkerPreference(stain=stain, probability=probability))
        return float(np.mean([bool((drawn[i]["stain"].amin(dim=0) < 0).any()) for i in range(60)]))

    assert share(1.0) >= 0.95
    assert share(0.0) <= 0.25
    assert 0.35 <= share(0.5) <= 0.75


def test_crops_say_where_their_markers_are_if_asked() -> None:
    stain, sparse = BUILT_IN["cd68"], Domain.of_arrays("cd68", [spotted(128, 3)])
    wanted = MarkerPreference(stain=stain, probability=1.0, threshold=0.03, masks=True)
    items = [crops(stain=sparse, steps=8, markers=wanted)[i] for i in range(8)]
    for item in items:
        rgb = ((item["stain"].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
        np.testing.assert_array_equal(item["markers"][0].numpy(), marker_mask(rgb, stain, 0.03))
    assert any(0 < item["markers"].mean() < 1 for item in items)
    assert "markers" not in crops(stain=sparse, markers=replace(wanted, masks=False))[0]


def test_without_any_marker_crops_are_plain_ones() -> None:
    blank = Domain.of_arrays("cd68", [spotted(96, 0)])
    wanted = MarkerPreference(stain=BUILT_IN["cd68"], probability=1.0)
    assert crops(stain=blank, markers=wanted)[0]["stain"].shape == (3, 32, 32)
    with pytest.raises(SpecError, match="share of crops"):
        MarkerPreference(stain=BUILT_IN["cd68"], probability=1.5)
