"""One step of a CycleGAN: every part of it that only the step joins is seen to matter."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from augengine.errors import SpecError
from augengine_train.cyclegan.losses import Lambdas
from augengine_train.cyclegan.step import Batch, CycleGan, MixedPrecision
from benchmarks.plain_cyclegan import PlainCycleGan
from tests.support.drawn_tissue import LIGHT, DrawnCrops, tiny_recipe

pytestmark = pytest.mark.usefixtures("one_thread")


def batch_of(index: int, count: int = 8, scale: int = 1) -> Batch:
    crops = DrawnCrops(count)[index]
    return {name: image[None].tile(1, 1, scale, scale) for name, image in crops.items()}


@pytest.mark.parametrize("width", [2, 4])
def test_steps_are_those_of_a_plain_loop(width: int) -> None:
    recipe = tiny_recipe(pool=0).with_changes(width=width)
    gan = make_gan(recipe)
    plain = PlainCycleGan(recipe, *copy.deepcopy((gan.generators, gan.discriminators)))
    for index in range(3):
        batch = {name: image[None] for name, image in DrawnCrops(3)[index].items()}
        gan.step(batch, lr=recipe.lr, lambdas=LIGHT)
        plain.step(**batch)
    ours, plainly = (flat(pair.to_reference, pair.from_reference) for pair in (gan.generators, plain))
    judges = [flat(gan.discriminators), flat(plain.judges)]
    # Means, in shares of a step: Adam turns a rounding error of a gradient near 0 into one of its size.
    assert (ours - plainly).abs().mean() < 0.05 * recipe.lr
    assert (judges[0] - judges[1]).abs().mean() < 0.05 * recipe.lr


def flat(*networks: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for network in networks for p in network.parameters()])


def make_gan(recipe: Any, seed: int = 0) -> CycleGan:
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    precision = MixedPrecision.choose("float32", accelerator.device)
    return CycleGan(recipe, seed=seed, accelerator=accelerator, precision=precision)


def test_without_identity_loss_nothing_is_put_through_its_own_generator() -> None:
    batch = {name: image[None] for name, image in DrawnCrops(1)[0].items()}
    losses = make_gan(tiny_recipe()).step(batch, lr=1e-4, lambdas=Lambdas(10.0, 0.0))
    assert not any(name.startswith("identity") for name in losses)


def test_float16_is_refused_on_a_cpu() -> None:
    with pytest.raises(SpecError, match="GPU"):
        MixedPrecision.choose("float16", torch.device("cpu"))


def test_the_rate_of_the_step_counts_not_the_recipes() -> None:
    gan = make_gan(tiny_recipe(lr=1e-2))
    before = flat(gan.generators, gan.discriminators)
    gan.step(batch_of(0), lr=0.0, lambdas=LIGHT)
    assert torch.equal(flat(gan.generators, gan.discriminators), before)
    gan.step(batch_of(1), lr=1e-4, lambdas=LIGHT)
    assert not torch.equal(flat(gan.generators, gan.discriminators), before)


def test_networks_begin_as_the_recipe_says_and_from_the_seed() -> None:
    for sigma in (0.02, 0.1):
        gan = make_gan(tiny_recipe(init_sigma=sigma).with_changes(width=16))
        for networks in (gan.generators, gan.discriminators):
            weights = torch.cat([p.detach().reshape(-1) for p in networks.parameters() if p.dim() > 1])
            assert weights.std().item() == pytest.approx(sigma, rel=0.05)
    assert torch.equal(flat(make_gan(tiny_recipe()).generators), flat(make_gan(tiny_recipe()).generators))
    assert not torch.equal(flat(make_gan(tiny_recipe()).generators), flat(make_gan(tiny_recipe(), seed=1).generators))


def test_the_discriminators_have_the_recipes_width() -> None:
    for width in (4, 8):
        first = next(make_gan(tiny_recipe(discriminator_width=width)).discriminators.stain.parameters())
        assert len(first) == width


def test_discriminators_with_other_norms_and_scales_train_and_come_back_from_a_checkpoint() -> None:
    recipe = tiny_recipe(discriminator_norm="spectral", discriminator_scales=2, crop=64)
    gan, again = make_gan(recipe), make_gan(recipe)
    assert torch.equal(flat(gan.discriminators), flat(again.discriminators))
    first = gan.step(batch_of(0, scale=2), lr=1e-3, lambdas=LIGHT)
    assert all(torch.isfinite(loss) for loss in first.values())
    again.generators.load_state_dict(gan.generators.state_dict())
    again.load_state_dict(copy.deepcopy(gan.state_dict()))
    again.load_pool_state(gan.pool_state())
    for one in (gan, again):
        one.step(batch_of(1, scale=2), lr=1e-3, lambdas=LIGHT)
    assert torch.equal(flat(gan.generators, gan.discriminators), flat(again.generators, again.discriminators))


def test_discriminators_are_shown_translations_of_before() -> None:
    """With a pool and without, the first step is one: only a full pool gives old images back."""
    with_pool, without = make_gan(tiny_recipe(pool=1)), make_gan(tiny_recipe(pool=0))
    for index in range(8):
        for gan in (with_pool, without):
            gan.step(batch_of(index), lr=1e-3, lambdas=LIGHT)
        if not index:
            assert torch.equal(flat(with_pool.discriminators), flat(without.discriminators))
    assert not torch.equal(flat(with_pool.discriminators), flat(without.discriminators))


@pytest.mark.parametrize("other", [Lambdas(2 * LIGHT.cycle, LIGHT.identity), Lambdas(LIGHT.cycle, LIGHT.identity / 2)])
def test_the_weights_of_the_step_count(other: Lambdas) -> None:
    one, two = make_gan(tiny_recipe()), make_gan(tiny_recipe())
    one.step(batch_of(0), lr=1e-3, lambdas=LIGHT)
    two.step(batch_of(0), lr=1e-3, lambdas=other)
    assert not torch.equal(flat(one.generators), flat(two.generators))
    assert torch.equal(flat(one.discriminators), flat(two.discriminators))
