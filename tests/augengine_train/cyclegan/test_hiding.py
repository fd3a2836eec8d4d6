"""Hide and seek: the seeker finds what shows through noise, and generators learn to show nothing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from augengine.errors import SpecError
from augengine_train.cyclegan.hiding import HideAndSeek, Hiding, MarkerSeeker
from augengine_train.cyclegan.losses import Lambdas
from augengine_train.cyclegan.recipe import TrainingRecipe, find_recipe
from augengine_train.cyclegan.schedule import Schedule
from augengine_train.cyclegan.step import Batch, CycleGan, MixedPrecision
from tests.support.drawn_tissue import LIGHT, DrawnCrops, tiny_recipe

pytestmark = pytest.mark.usefixtures("one_thread")

HIDING = Lambdas(cycle=10.0, identity=5.0, hide=10.0)


def make_game(seed: int = 0, **hiding: float) -> HideAndSeek:
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return HideAndSeek(Hiding(**hiding), seed=seed, lr=1e-3, betas=(0.5, 0.999), accelerator=accelerator)


def discs(count: int = 4, side: int = 32) -> Tensor:
    """Masks of one disc each: float32 (count, 1, side, side)."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = [(8 + 5 * n, 20 - 3 * n) for n in range(count)]
    return torch.stack([((y - top) ** 2 + (x - left) ** 2 < 25).float()[None] for top, left in places])


def seek(game: HideAndSeek, images: Tensor, markers: Tensor, steps: int) -> float:
    """The seeker's loss after some steps on images that stay as they are."""
    for _ in range(steps):
        loss = game.seek(images, markers)
        game.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        game.adam.step()
    return float(loss.detach())


def test_a_seeker_sees_22_pixels_around_a_place() -> None:
    layers = [layer for layer in MarkerSeeker().model if not isinstance(layer, nn.InstanceNorm2d)]
    image = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    nn.Sequential(*layers).double()(image)[0, 0, 16, 16].backward()
    assert image.grad is not None
    touched = image.grad.abs().sum(dim=(0, 1)).nonzero()
    assert (touched.amax(dim=0) - touched.amin(dim=0) + 1).tolist() == [22, 22]


@pytest.mark.parametrize(("says", "hidden", "found"), [(0.5, 0.0, 0.5), (1.0, 0.5, 1.0), (0.0, 0.5, 1.0)])
def test_losses_of_a_seeker_that_says_one_thing_everywhere(says: float, hidden: float, found: float) -> None:
    game, markers = make_game(), discs()
    last = game.seeker.model[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, says)
    images = torch.rand(4, 3, 32, 32)
    assert game.hide(images, markers).item() == pytest.approx(hidden)
    assert game.seek(images, markers).item() == pytest.approx(found)


def test_crops_without_a_marker_cost_no_division_by_zero() -> None:
    loss = make_game().hide(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
    assert torch.isfinite(loss)


def test_a_seeker_finds_what_shows_and_not_what_noise_covers() -> None:
    markers = discs()
    images = (0.2 * markers).expand(4, 3, 32, 32)
    assert seek(make_game(sigma=0.02), images, markers, 80) < 0.1
    assert seek(make_game(sigma=1.0), images, markers, 80) > 0.3


def test_a_contrast_that_is_taught_to_hide_falls() -> None:
    markers, tissue = discs(), 0.1 * torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    game, contrast = make_game(sigma=0.1), torch.tensor(0.6, requires_grad=True)
    seek(game, tissue + 0.6 * markers, markers, 40)
    adam = torch.optim.Adam([contrast], 2e-2)
    for _ in range(60):
        adam.zero_grad()
        game.hide(tissue + contrast * markers, markers).backward()  # type: ignore[no-untyped-call]
        adam.step()
        seek(game, tissue + contrast.detach() * markers, markers, 1)
    assert contrast.abs().item() < 0.3


def test_the_noise_is_a_function_of_the_seed_and_of_how_often_it_looked() -> None:
    markers, images = discs(), torch.rand(4, 3, 32, 32)
    one, same, other = make_game(), make_game(), make_game(seed=1)
    first = [game.hide(images, markers).item() for game in (one, same)]
    assert first[0] == first[1] != one.hide(images, markers).item()
    other.seeker.load_state_dict(one.seeker.state_dict())
    assert other.hide(images, markers).item() != first[0]


def make_gan(recipe: TrainingRecipe) -> CycleGan:
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    precision = MixedPrecision.choose("float32", accelerator.device)
    return CycleGan(recipe, seed=0, accelerator=accelerator, precision=precision)


def marked_batch(index: int) -> Batch:
    crops = {name: image[None] for name, image in DrawnCrops(8)[index].items()}
    return {**crops, "markers": discs(1)}


def flat(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


def hiding_recipe(**hiding: float) -> TrainingRecipe:
    return tiny_recipe(hiding=hiding)


def test_the_generator_into_the_reference_pays_for_what_is_found() -> None:
    one, two = make_gan(hiding_recipe()), make_gan(hiding_recipe())
    first = one.step(marked_batch(0), lr=1e-3, lambdas=HIDING)
    second = two.step(marked_batch(0), lr=1e-3, lambdas=LIGHT)
    assert first["hide"] == second["hide"]
    assert not torch.equal(flat(one.generators.to_reference), flat(two.generators.to_reference))
    assert torch.equal(flat(one.generators.from_reference), flat(two.generators.from_reference))


def test_markers_count_more_in_the_cycle_of_the_stain_alone() -> None:
    plain, more = (make_gan(hiding_recipe(emphasis=emphasis)) for emphasis in (0.0, 9.0))
    batch = marked_batch(0)
    first, second = (gan.step(batch, lr=0.0, lambdas=LIGHT) for gan in (plain, more))
    assert first["cycle_reference"] == second["cycle_reference"]
    everywhere = {**batch, "markers": torch.ones(1, 1, 32, 32)}
    third = more.step(everywhere, lr=0.0, lambdas=LIGHT)
    assert first["cycle_stain"] < second["cycle_stain"] < third["cycle_stain"]
    assert third["cycle_stain"].item() == pytest.approx(10 * first["cycle_stain"].item(), rel=1e-5)


def test_a_training_that_hides_goes_on_from_its_state() -> None:
    gan, again = make_gan(hiding_recipe()), make_gan(hiding_recipe())
    gan.step(marked_batch(0), lr=1e-3, lambdas=HIDING)
    again.generators.load_state_dict(gan.generators.state_dict())
    again.load_state_dict(copy.deepcopy(gan.state_dict()))
    again.load_pool_state(copy.deepcopy(gan.pool_state()))
    first, second = (one.step(marked_batch(1), lr=1e-3, lambdas=HIDING) for one in (gan, again))
    assert {name: loss.item() for name, loss in first.items()} == {name: loss.item() for name, loss in second.items()}
    assert torch.equal(flat(gan.generators), flat(again.generators))


def test_crops_that_do_not_say_where_markers_are_cannot_hide_them() -> None:
    batch = {name: image[None] for name, image in DrawnCrops(1)[0].items()}
    with pytest.raises(SpecError, match="do not say where"):
        make_gan(hiding_recipe()).step(batch, lr=1e-3, lambdas=HIDING)


def test_a_recipe_file_says_how_hard(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "zhu2017"\n[hiding]\nweight = 3.0\nsigma = 0.05\n')
    recipe = find_recipe(str(file))
    assert recipe.hiding == Hiding(weight=3.0, sigma=0.05)
    assert Schedule(steps=10, recipe=recipe).lambdas(0) == Lambdas(cycle=10.0, identity=5.0, hide=3.0)
    assert Schedule(steps=10, recipe=find_recipe("zhu2017")).lambdas(0).hide == 0
    file.write_text('base = "zhu2017"\n[hiding]\nsigma = 2.0\n')
    with pytest.raises(SpecError, match=r"sigma must be 0 \.\.\. 1"):
        find_recipe(str(file))
