"""The segmenter's recipe, its network against a written-out specification, and its own augmentations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from augengine.errors import SpecError
from augengine.json_values import from_json, to_json
from augengine.pictures.colour import unmixing_matrix
from augengine.stains import BUILT_IN
from augengine_train.unet.augmentations import apply
from augengine_train.unet.draws import Affine, Draws, Enhance, draw, draw_stain_jitter
from augengine_train.unet.network import Unet
from augengine_train.unet.recipe import UnetRecipe, find_recipe, icube, small
from tests.support.segmenter_tiles import glomerulus, tiny_recipe

CD68 = BUILT_IN["cd68"]
STILL = Affine(rotation_deg=0, shift_x=0, shift_y=0, zoom=1, flip_x=False, flip_y=False)

# (channels in, out, kernel) in order, as in Ronneberger et al. 2015 with three input channels.
SPECIFICATION = [
    (3, 64, 3), (64, 64, 3), (64, 128, 3), (128, 128, 3), (128, 256, 3), (256, 256, 3),
    (256, 512, 3), (512, 512, 3), (512, 1024, 3), (1024, 1024, 3),
    (1024, 512, 2), (512, 256, 2), (256, 128, 2), (128, 64, 2),
    (1024, 512, 3), (512, 512, 3), (512, 256, 3), (256, 256, 3),
    (256, 128, 3), (128, 128, 3), (128, 64, 3), (64, 64, 3),
    (64, 2, 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def laboratorys() -> Unet:
    return Unet(icube(), seed=1)


def test_the_laboratorys_network_is_the_one_specified(laboratorys: Unet) -> None:
    found = [
        (part.in_channels, part.out_channels, part.kernel_size[0])
        for part in laboratorys.modules()
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert sorted(found) == sorted(SPECIFICATION)
    counted = sum(c_in * c_out * kernel**2 + c_out for c_in, c_out, kernel in SPECIFICATION)
    assert sum(p.numel() for p in laboratorys.parameters()) == counted == 31_031_810
    assert {type(part) for part in laboratorys.modules()} == {
        Unet, nn.ModuleList, nn.Sequential, nn.Conv2d, nn.ReLU, nn.ConvTranspose2d
    }  # fmt: skip


def test_508_px_become_324() -> None:
    assert icube().output_side(508) == 324
    assert icube().margin == 92
    with torch.device("meta"):
        scores = Unet(icube()).to("meta")(torch.empty(1, 3, 508, 508))
    assert scores.shape == (1, 2, 324, 324)


@pytest.mark.parametrize("side", [128, 192, 256])
def test_the_padded_network_keeps_the_size(side: int) -> None:
    recipe = small().with_changes(crop=side)
    assert recipe.margin == 0
    assert Unet(recipe)(torch.zeros(1, 3, side, side)).shape == (1, 2, side, side)


@pytest.mark.parametrize(("padding", "crop"), [("same", 32), ("valid", 44)])
def test_the_output_shows_the_centre_of_the_input(padding: str, crop: int) -> None:
    recipe = tiny_recipe(padding=padding, crop=crop)
    network, margin = Unet(recipe, seed=3).eval(), recipe.margin
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, crop, crop, generator=rng)
    with torch.inference_mode():
        before = network(image)
        image[0, :, margin + 10, margin + 6] += 5.0
        changed = (network(image) - before).abs().sum(dim=(0, 1)) > 1e-6
    rows, columns = torch.where(changed)
    assert changed[10, 6]
    # Eight 3x3 convolutions' reach, those of the lower level counting twice.
    assert max(abs(rows - 10).max(), abs(columns - 6).max()) <= 10


def test_initial_weights_are_glorots_and_keyed(laboratorys: Unet) -> None:
    part = next(part for part in laboratorys.modules() if isinstance(part, nn.Conv2d) and part.in_channels == 512)
    assert part.out_channels == 512
    bound = (6 / (9 * 512 + 9 * 512)) ** 0.5
    assert 0.99 * bound < float(part.weight.detach().abs().max()) < 1.0001 * bound
    assert float(part.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.01)
    assert part.bias is not None
    assert not part.bias.detach().any()
    one, same, other = (Unet(tiny_recipe(), seed=seed).classify.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"padding": "valid", "depth": 5, "crop": 500}, "takes no 500 px"),
        ({"crop": 33}, "takes no 33 px"),
        ({"padding": "wide"}, "valid or same"),
        ({"depth": 0}, "depth"),
        ({"p": 1.5}, "p is a probability"),
        ({"lr": 0.0}, "lr"),
        ({"name": ""}, "name"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        tiny_recipe(**changes)


def test_a_refused_crop_comes_with_one_that_fits() -> None:
    with pytest.raises(SpecError) as caught:
        icube().with_changes(crop=512)
    assert caught.value.hint == "508 px fit"


def test_recipes_come_by_name_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "small"\nwidth = 8\n')
    assert find_recipe(str(file)) == replace(small(), name="mine", width=8)
    assert from_json(UnetRecipe, to_json(icube())) == icube()
    for text, said in (("large", "unknown recipe"), (str(tmp_path / "none.toml"), "cannot read")):
        with pytest.raises(SpecError, match=said):
            find_recipe(text)
    file.write_text("colour = 1")
    with pytest.raises(SpecError, match="is no recipe: object missing required field name"):
        find_recipe(str(file))


def test_draws_are_keyed_and_fall_as_often_as_asked() -> None:
    recipe = tiny_recipe(stain_jitter=True)
    assert draw(recipe, 0, "a", 1) == draw(recipe, 0, "a", 1)
    assert len({draw(recipe, seed, key, epoch) for seed in (0, 1) for key in "ab" for epoch in (0, 1)}) == 8
    drawn = [draw(recipe, 0, f"k{i}", 0) for i in range(400)]
    for name in ("affine", "elastic_seed", "stain_factors", "enhance", "blur_sigma_px", "noise_sigma"):
        assert 160 < sum(getattr(each, name) is not None for each in drawn) < 240, name
    affines = [each.affine for each in drawn if each.affine]
    assert max(abs(each.rotation_deg) for each in affines) > 150
    assert all(0.8 <= each.zoom <= 1.2 and abs(each.shift_x) <= 0.2 for each in affines)
    assert draw(tiny_recipe(own_p=0.0, stain_jitter=True), 0, "a", 1) == Draws(
        noise_seed=draw(recipe, 0, "a", 1).noise_seed
    )


def test_leaving_out_the_stain_jitter_changes_no_other_draw() -> None:
    with_jitter, without = (draw(tiny_recipe(stain_jitter=flag), 3, "k", 2) for flag in (True, False))
    plain = {"stain_factors": None, "stain_offsets": (0.0, 0.0, 0.0)}
    assert replace(with_jitter, **plain) == without  # type: ignore[arg-type]


def test_no_draw_changes_nothing() -> None:
    picture, mask = glomerulus(48, 0)
    image, same = apply(Draws(affine=STILL), picture, mask, CD68)
    assert np.abs(image.numpy().transpose(1, 2, 0) * 255 - picture).max() < 0.01
    assert np.array_equal(same, mask)


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        (replace(STILL, flip_x=True), lambda a: a[:, ::-1]),
        (replace(STILL, flip_y=True), lambda a: a[::-1]),
        (replace(STILL, rotation_deg=90.0), np.rot90),
        (replace(STILL, rotation_deg=180.0), lambda a: np.rot90(a, 2)),
        (replace(STILL, shift_x=0.25), lambda a: np.roll(a, 12, axis=1)),
    ],
)
def test_geometry_does_what_it_says_to_image_and_mask_alike(affine: Affine, expected: object) -> None:
    picture, mask = glomerulus(48, 1)
    image, moved = apply(Draws(affine=affine), picture, mask, CD68)
    assert callable(expected)
    inner = slice(14, -2)  # what a shift brings in is mirrored, not rolled
    grey = image.numpy().transpose(1, 2, 0) * 255
    assert np.abs(grey - expected(picture))[inner, inner].max() < 0.5
    assert np.array_equal(moved[inner, inner], expected(mask)[inner, inner])


def test_a_mask_follows_its_image_and_keeps_its_classes() -> None:
    mask = glomerulus(96, 2, class_id=76)[1]
    picture = np.repeat(np.where(mask, 30, 220).astype(np.uint8)[..., None], 3, axis=2)
    drawn = Draws(affine=replace(STILL, rotation_deg=33.0, zoom=1.1, shift_y=0.1), elastic_seed=5)
    image, moved = apply(drawn, picture, mask, CD68)
    assert set(np.unique(moved)) == {0, 76}
    assert not np.array_equal(moved, mask)
    dark = image[0].numpy() < 125 / 255
    assert (dark != (moved > 0)).mean() < 0.01


def test_elastic_displacements_are_a_few_pixels() -> None:
    ramp = np.repeat(np.arange(128, dtype=np.uint8)[None], 128, axis=0)
    picture = np.stack([ramp] * 3, axis=2)
    moved = apply(Draws(elastic_seed=1), picture, ramp, CD68)[0][0].numpy() * 255 - ramp
    # Uniform noise smoothed by sigma 10 has a deviation of 0.577 / (2 sqrt(pi) 10), 1.6 px after alpha 100.
    assert 0.8 < moved[32:96, 32:96].std() < 3.2


def test_stain_jitter_moves_the_amounts_of_each_stain_alone() -> None:
    directions = unmixing_matrix(CD68)
    amounts = np.random.default_rng(0).uniform(0.1, 0.8, (16, 16, 3)) * (1, 1, 0)
    picture = np.rint(np.exp(-amounts @ directions) * 255).astype(np.uint8)
    factors, offsets = (1.2, 0.8, 1.0), (0.03, 0.02, 0.0)
    image, _ = apply(Draws(stain_factors=factors, stain_offsets=offsets), picture, picture[..., 0], CD68)
    wanted = np.exp(-(amounts * factors + offsets) @ directions)
    assert np.abs(image.numpy().transpose(1, 2, 0) - wanted).max() * 255 < 3
    still, _ = apply(Draws(stain_factors=(1.0, 1.0, 1.0)), picture, picture[..., 0], CD68)
    assert np.abs(still.numpy().transpose(1, 2, 0) * 255 - picture).max() < 0.01
    assert draw_stain_jitter(0, "k", 1) == draw_stain_jitter(0, "k", 1) != draw_stain_jitter(0, "k", 2)


def test_the_cameras_changes_stay_small_and_in_range() -> None:
    picture, mask = glomerulus(48, 3)
    for drawn, most in (
        (Draws(enhance=Enhance(brightness=1.1, contrast=0.9, colour=1.1)), 40),
        (Draws(blur_sigma_px=1.0), 80),
        (Draws(noise_sigma=0.01, noise_seed=4), 14),
    ):
        image, same = apply(drawn, picture, mask, CD68)
        difference = np.abs(image.numpy().transpose(1, 2, 0) * 255 - picture)
        assert 0.1 < difference.mean() < most
        assert difference.max() < 2.5 * most
        assert 0 <= image.min() <= image.max() <= 1
        assert np.array_equal(same, mask)
