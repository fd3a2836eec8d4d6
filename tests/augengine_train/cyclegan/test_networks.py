"""Networks, losses, pool, schedule and recipe against their definitions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from augengine.errors import SpecError
from augengine.generator import Recipe
from augengine.json_values import from_json, to_json
from augengine_train.cyclegan.losses import Lambdas, adversarial, discriminator_loss, generator_losses, weigh
from augengine_train.cyclegan.networks import (
    Cycles,
    DiscriminatorPair,
    GeneratorPair,
    PatchDiscriminator,
    add_spectral_norm,
    init_normal,
)
from augengine_train.cyclegan.pool import ImagePool
from augengine_train.cyclegan.recipe import TrainingRecipe, find_recipe, icube, zhu2017
from augengine_train.cyclegan.schedule import Schedule
from tests.support.drawn_tissue import tiny_recipe


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("recipe", "millions"), [(zhu2017(), 11.38), (icube(), 2.85)])
def test_each_recipe_has_the_papers_generators(recipe: TrainingRecipe, millions: float) -> None:
    with torch.device("meta"):
        pair = GeneratorPair(recipe.generator)
    assert parameters(pair.to_reference) / 1e6 == pytest.approx(millions, abs=0.01)
    assert parameters(pair.from_reference) == parameters(pair.to_reference)


def test_a_discriminator_is_the_written_out_patchgan() -> None:
    network = PatchDiscriminator()
    assert parameters(network) / 1e6 == pytest.approx(2.76, abs=0.005)
    convolutions = [layer for layer in network.model if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 512, 1]
    assert [c.stride for c in convolutions] == [(2, 2), (2, 2), (2, 2), (1, 1), (1, 1)]
    assert {c.kernel_size for c in convolutions} == {(4, 4)}
    assert {c.padding for c in convolutions} == {(1, 1)}
    kinds = [type(layer).__name__ for layer in network.model]
    middle = ["Conv2d", "InstanceNorm2d", "LeakyReLU"]
    assert kinds == ["Conv2d", "LeakyReLU", *middle, *middle, *middle, "Conv2d"]
    assert {layer.negative_slope for layer in network.model if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("side", [32, 64, 256, 508])
def test_a_discriminator_judges_patches(side: int) -> None:
    with torch.device("meta"):
        (judged,) = PatchDiscriminator(width=4)(torch.zeros(2, 3, side, side))
    assert judged.shape == (2, 1, side // 8 - 2, side // 8 - 2)


def test_a_discriminators_receptive_field_is_70_pixels() -> None:
    network = PatchDiscriminator(width=4)
    # A norm sees the whole plane; without it, what is left is the convolutions' reach.
    layers = [layer for layer in network.model if not isinstance(layer, nn.InstanceNorm2d)]
    image = torch.rand(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    judged = nn.Sequential(*layers).double()(image)
    judged[0, 0, 15, 15].backward()
    assert image.grad is not None
    touched = image.grad.abs().sum(dim=(0, 1)).nonzero()
    assert (touched.amax(dim=0) - touched.amin(dim=0) + 1).tolist() == [70, 70]


def test_a_second_scale_judges_the_image_at_half_its_size() -> None:
    torch.manual_seed(0)
    network, image = PatchDiscriminator(width=4, scales=2), torch.rand(2, 3, 64, 64)
    fine, coarse = network(image)
    assert fine.shape == (2, 1, 6, 6)
    assert coarse.shape == (2, 1, 2, 2)
    halved = image.reshape(2, 3, 32, 2, 32, 2).mean(dim=(3, 5))
    assert torch.allclose(network.coarser[0](halved), coarse, atol=1e-5)


def test_the_spectral_norm_takes_the_instance_norms_place() -> None:
    network = PatchDiscriminator(width=4, norm="spectral")
    init_normal(network, 0.02, torch.Generator().manual_seed(0))
    add_spectral_norm(network, seed=0)
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())
    for _ in range(30):
        network(torch.rand(1, 3, 32, 32))
    for layer in [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, abs=0.02)


def test_weights_start_normal_and_biases_at_zero() -> None:
    pair = DiscriminatorPair()
    init_normal(pair, 0.02, torch.Generator().manual_seed(0))
    weights = torch.cat([p.flatten() for name, p in pair.named_parameters() if name.endswith("weight")])
    biases = torch.cat([p.flatten() for name, p in pair.named_parameters() if name.endswith("bias")])
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=1e-2)
    assert not biases.any()


def test_affine_norms_start_as_the_identity() -> None:
    pair = GeneratorPair(Recipe.icube(width=2, blocks=1))
    init_normal(pair, 0.02, torch.Generator().manual_seed(0))
    norms = [layer for layer in pair.modules() if isinstance(layer, nn.InstanceNorm2d)]
    assert norms
    assert all((norm.weight == 1).all() and not norm.bias.any() for norm in norms)


@pytest.mark.parametrize("identity", [True, False])
def test_both_cycles_are_what_the_generators_make_one_by_one(identity: bool) -> None:
    torch.manual_seed(0)
    pair = GeneratorPair(Recipe.zhu2017(width=4, blocks=1))
    a, b = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        cycles = pair(a, b, identity=identity)
        fake_stain, fake_reference = pair.from_reference(a), pair.to_reference(b)
        expected = [fake_reference, fake_stain, pair.to_reference(fake_stain), pair.from_reference(fake_reference)]
        expected += [pair.to_reference(a), pair.from_reference(b)] if identity else [None, None]
    for made, own in zip(cycles, expected, strict=True):
        assert (made is None) if own is None else torch.allclose(made, own, atol=1e-5)


def constant(value: float, channels: int = 3) -> Tensor:
    return torch.full((1, channels, 2, 2), value)


def test_losses_on_fixed_tensors_are_what_a_hand_computes() -> None:
    cycles = Cycles(
        fake_reference=constant(0),
        fake_stain=constant(0),
        back_reference=constant(0.5),
        back_stain=constant(-0.25),
        same_reference=constant(0.1),
        same_stain=constant(0.0),
    )
    reference, stain = constant(0.2), constant(0.5)
    losses = generator_losses(cycles, reference, stain, (constant(0.5, 1),), (constant(-1.0, 1),))
    hand = {"fool_reference": 0.25, "fool_stain": 4.0, "cycle_reference": 0.3, "cycle_stain": 0.75}
    hand |= {"identity_reference": 0.1, "identity_stain": 0.5}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(hand)
    assert weigh(losses, Lambdas(10.0, 5.0)).item() == pytest.approx(4.25 + 10 * 1.05 + 5 * 0.6)


def test_least_squares_are_means_over_the_map() -> None:
    judged = torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    assert adversarial((judged,), real=True).item() == pytest.approx((1 + 0 + 1 + 4) / 4)
    assert adversarial((judged,), real=False).item() == pytest.approx((0 + 1 + 4 + 1) / 4)
    assert discriminator_loss((constant(0.5),), (constant(2.0),)).item() == pytest.approx(0.5 * (0.25 + 4.0))


def test_scales_count_alike_however_large_their_maps_are() -> None:
    fine, coarse = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 2, 2)
    assert adversarial((fine, coarse), real=True).item() == pytest.approx(0.5)


def numbered(*values: int) -> Tensor:
    return torch.stack([torch.full((3, 2, 2), float(value)) for value in values])


def test_a_pool_gives_back_what_it_gets_until_it_is_full() -> None:
    pool = ImagePool(4, seed=0, name="a")
    assert torch.equal(pool.swap(numbered(1, 2, 3, 4)), numbered(1, 2, 3, 4))
    assert len(pool) == 4


def test_a_full_pool_swaps_half_of_the_images_for_any_of_its_own() -> None:
    pool, kept = ImagePool(10, seed=0, name="a"), list(range(10))
    pool.swap(numbered(*kept))
    swapped, places = 0, []
    for value in range(10, 1010):
        shown = int(pool.swap(numbered(value))[0, 0, 0, 0])
        if shown != value:
            places.append(kept.index(shown))
            kept[places[-1]] = value
            swapped += 1
    # Four standard deviations of a fair coin, and of a fair die of ten sides.
    assert abs(swapped - 500) < 64
    assert all(abs(places.count(place) - swapped / 10) < 28 for place in range(10))


def test_no_pool_shows_the_present_images_alone() -> None:
    pool = ImagePool(0, seed=0, name="a")
    assert all(torch.equal(pool.swap(numbered(i)), numbered(i)) for i in range(9))


def test_a_pool_goes_on_from_its_state_and_shares_no_memory_with_images() -> None:
    pool = ImagePool(3, seed=1, name="a")
    image = numbered(7)
    pool.swap(image)
    image.zero_()
    pool.swap(numbered(*range(20)))
    other = ImagePool(3, seed=1, name="a")
    other.load_state_dict(pool.state_dict(), torch.device("cpu"))
    later = numbered(*range(100, 140))
    assert torch.equal(pool.swap(later), other.swap(later))


def test_the_pools_of_two_stains_draw_apart() -> None:
    images = numbered(*range(60))
    first, second = (ImagePool(3, seed=1, name=name).swap(images) for name in ("reference", "stain"))
    assert not torch.equal(first, second)


def test_the_learning_rate_is_constant_and_then_falls_by_a_line() -> None:
    schedule = Schedule.of(tiny_recipe(epochs=2, decay_epochs=3, epoch_images=10), steps=None)
    assert schedule.steps == 50
    factors = [schedule.lr(step) / 2e-4 for step in range(0, 50, 10)]
    assert factors == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4])
    assert schedule.lr(9) == schedule.lr(0)


def test_the_references_schedule_begins_to_fall_in_epoch_101() -> None:
    schedule = Schedule.of(zhu2017(), steps=200)
    factors = [schedule.lr(epoch) / 2e-4 for epoch in (0, 99, 100, 199)]
    assert factors == pytest.approx([1, 1, 1 - 1 / 101, 1 / 101])


def test_a_shorter_training_has_the_whole_schedule() -> None:
    long, short = Schedule.of(zhu2017(), steps=None), Schedule.of(zhu2017(), steps=1000)
    assert long.steps == 1_000_000
    assert [long.lr(1000 * step) for step in range(1000)] == [short.lr(step) for step in range(1000)]


def test_processes_share_an_epoch() -> None:
    assert Schedule.of(zhu2017(), steps=None, processes=4).steps == 250_000


def test_icube_halves_both_weights_at_half_time_and_zhu2017_never() -> None:
    halving, steady = Schedule.of(icube(), steps=10), Schedule.of(zhu2017(), steps=10)
    assert [halving.lambdas(step) for step in (0, 4, 5, 9)] == [Lambdas(10, 5)] * 2 + [Lambdas(5, 2.5)] * 2
    assert {steady.lambdas(step) for step in range(10)} == {Lambdas(10, 5)}


def test_the_recipes_are_those_of_the_papers() -> None:
    reference, laboratory = zhu2017(), icube()
    assert (reference.lr, reference.beta1, reference.beta2, reference.batch) == (2e-4, 0.5, 0.999, 1)
    assert (laboratory.lr, laboratory.beta1, laboratory.batch, laboratory.crop) == (2e-4, 0.9, 1, 508)
    assert reference.total_epochs == 200
    assert laboratory.total_epochs == 50
    assert reference.pool == laboratory.pool == 50
    assert reference.init_sigma == laboratory.init_sigma == 0.02
    assert reference.discriminator_width == laboratory.discriminator_width == 64


@pytest.mark.parametrize("recipe", [zhu2017(), icube(), tiny_recipe()])
def test_a_recipe_survives_json(recipe: TrainingRecipe) -> None:
    assert from_json(TrainingRecipe, json.loads(json.dumps(to_json(recipe)))) == recipe


def test_a_recipe_of_ones_own_is_a_file_on_a_base(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "icube"\ncrop = 128\n[generator]\nblocks = 6\n')
    recipe = find_recipe(str(file))
    assert (recipe.name, recipe.crop, recipe.generator.blocks, recipe.beta1) == ("mine", 128, 6, 0.9)


@pytest.mark.parametrize("text", ["resnet", "none.toml"])
def test_an_unknown_recipe_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="recipe"):
        find_recipe(text)


WRONG_TYPES = ("crop = 128.0", "batch = 1.5", "pool = 2.5", "lr = true", "name = 3", "[generator]\nwidth = 4.0")


@pytest.mark.parametrize(
    "line", ["colour = 3", 'base = "vgg"', "crop = 30", "beta1 = 1.0", "lr = 0", "= =", *WRONG_TYPES]
)
def test_a_recipe_file_with_a_mistake_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(line if "base" in line else f'base = "icube"\n{line}\n')
    with pytest.raises(SpecError):
        find_recipe(str(file))


@pytest.mark.parametrize(
    "wrong", [{"crop": 33}, {"crop": 28}, {"epochs": 0, "decay_epochs": 0}, {"batch": 0}, {"lambda_cycle": -1}]
)
def test_a_recipe_checks_itself(wrong: dict[str, int]) -> None:
    with pytest.raises(SpecError):
        tiny_recipe(**wrong)
