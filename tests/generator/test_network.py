"""The generator's architecture, and reading its checkpoints without running them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from augengine.errors import CheckpointError, SpecError
from augengine.generator import Generator, Recipe, generator_from, load_checkpoint, pick_state, to_half
from augengine.json_values import from_json, to_json

SMALL = Recipe.zhu2017(width=4, blocks=2)
SMALL_AFFINE = Recipe.icube(width=4, blocks=1)
GREY_LEVEL = 1 / 127.5


def make_generator(recipe: Recipe = SMALL, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    return Generator(recipe).eval().requires_grad_(requires_grad=False)


def draw_images(n: int = 1, height: int = 32, width: int = 24, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class RunsOnLoad:
    """Unpickling it writes a file: what a hostile checkpoint does."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (self.trace, "ran")  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("recipe", "millions"), [(Recipe.zhu2017(), 11.38), (Recipe.icube(), 2.85), (Recipe.zhu2017(32, 6), 1.97)]
)
def test_it_has_the_papers_number_of_parameters(recipe: Recipe, millions: float) -> None:
    with torch.device("meta"):
        generator = Generator(recipe)
    assert sum(p.numel() for p in generator.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_modules_are_numbered_as_in_the_reference_implementation() -> None:
    names = {name for name, _ in make_generator(Recipe.zhu2017(4, 9)).named_parameters()}
    places = ["model.1", "model.4", "model.7", "model.19", "model.22", "model.26"]
    places += [f"model.{n}.conv_block.{k}" for n in range(10, 19) for k in (1, 5)]
    assert names == {f"{place}.{kind}" for place in places for kind in ("weight", "bias")}


def test_an_image_keeps_its_size_and_the_output_stays_in_range() -> None:
    y = make_generator()(3 * draw_images(2, 36, 20))
    assert y.shape == (2, 3, 36, 20)
    assert y.abs().max() <= 1


def test_the_relu_after_the_addition_changes_the_output_and_no_weight() -> None:
    with_relu = make_generator(SMALL_AFFINE)
    without = generator_from(Recipe(name="zhu2017", width=4, blocks=1, affine=True), with_relu.state_dict(), "it")
    x = draw_images()
    assert (with_relu(x) - without(x)).abs().max() > GREY_LEVEL


@pytest.mark.parametrize("recipe", [SMALL, SMALL_AFFINE])
@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_a_checkpoint_gives_the_same_generator_back(recipe: Recipe, form: str, tmp_path: Path) -> None:
    generator = make_generator(recipe)
    file = tmp_path / ("netG.safetensors" if form == "safetensors" else "netG.pth")
    if form == "safetensors":
        save_file(generator.state_dict(), file)
    else:
        torch.save(generator.state_dict(), file, _use_new_zipfile_serialization=form == "zip")
    loaded = load_checkpoint(file, recipe=recipe.name)
    assert loaded.recipe == recipe
    assert not loaded.training
    assert torch.equal(loaded(draw_images()), generator(draw_images()))


def test_wrappers_prefixes_and_unused_statistics_are_taken_off(tmp_path: Path) -> None:
    generator = make_generator()
    state = {f"module.{name}": tensor for name, tensor in generator.state_dict().items()}
    state["module.model.2.running_mean"] = torch.zeros(4)
    state["module.model.2.num_batches_tracked"] = torch.tensor(7)
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "netG.pt")
    assert torch.equal(load_checkpoint(tmp_path / "netG.pt")(draw_images()), generator(draw_images()))


def test_float16_checkpoints_are_computed_in_float32(tmp_path: Path) -> None:
    save_file(make_generator().half().state_dict(), tmp_path / "half.safetensors")
    loaded = load_checkpoint(tmp_path / "half.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_the_recipe_can_be_named_where_the_weights_do_not_tell(tmp_path: Path) -> None:
    save_file(make_generator().state_dict(), tmp_path / "netG.safetensors")
    assert load_checkpoint(tmp_path / "netG.safetensors").recipe.relu_after_add is False
    assert load_checkpoint(tmp_path / "netG.safetensors", recipe="icube").recipe.relu_after_add is True


def test_the_projects_own_first_weights_are_read(shared_data: Path) -> None:
    for file in sorted((shared_data.parent / "weights").glob("*/*.safetensors")):
        assert load_checkpoint(file).recipe == Recipe.zhu2017(32, 6)


@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(form: str, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / "netG.pth"
    content = {**make_generator().state_dict(), "extra": RunsOnLoad(trace)}
    if form == "bare":
        file.write_bytes(pickle.dumps(content["extra"]))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="not run") as caught:
        load_checkpoint(file)
    assert "state_dict" in caught.value.hint
    assert not trace.exists()
    torch.load(file, weights_only=False) if form != "bare" else pickle.loads(file.read_bytes())  # noqa: S301
    assert trace.exists(), "the file is harmless, so the test showed nothing"


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(make_generator(), tmp_path / "netG.pth")
    with pytest.raises(CheckpointError, match="more than weights"):
        load_checkpoint(tmp_path / "netG.pth")


@pytest.mark.parametrize("name", ["netG.pth", "netG.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"garbage, not weights", b"PK\x03\x04 a broken zip"])
def test_files_that_cannot_be_read_are_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tmp_path / name)


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.999])
@pytest.mark.parametrize("name", ["netG.pth", "netG.safetensors"])
def test_a_truncated_checkpoint_is_refused(name: str, keep: float, tmp_path: Path) -> None:
    state, file = make_generator().state_dict(), tmp_path / name
    save_file(state, file) if name.endswith("safetensors") else torch.save(state, file)
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(file)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": 3}, {"a": 1}, {}])
def test_files_without_a_generator_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "netG.pth")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "netG.pth")


def test_what_does_not_fit_is_said() -> None:
    state = make_generator().state_dict()
    grey = {**state, "model.1.weight": torch.zeros(4, 1, 7, 7)}
    with pytest.raises(CheckpointError, match=r"\(4, 1, 7, 7\)"):
        pick_state(grey, None, "grey.pth")
    batch_norm = {name: tensor for name, tensor in state.items() if name != "model.4.bias"}
    with pytest.raises(CheckpointError, match=r"model\.4\.bias"):
        generator_from(SMALL, batch_norm, "bn.pth")
    with pytest.raises(CheckpointError, match=r"model\.30\.weight"):
        generator_from(SMALL, {**state, "model.30.weight": torch.zeros(1)}, "more.pth")
    with pytest.raises(CheckpointError, match="size mismatch"):
        generator_from(SMALL, {**state, "model.4.bias": torch.zeros(3)}, "odd.pth")
    with pytest.raises(CheckpointError, match="not finite"):
        generator_from(SMALL, {**state, "model.4.bias": torch.full((8,), torch.nan)}, "nan.pth")


def test_a_recipe_checks_itself_and_survives_json() -> None:
    assert from_json(Recipe, to_json(SMALL_AFFINE)) == SMALL_AFFINE
    for wrong in ({"name": "unet"}, {"width": 0}, {"blocks": -1}, {"extra": 1}):
        with pytest.raises(SpecError):
            from_json(Recipe, {**to_json(SMALL), **wrong})
    with pytest.raises(SpecError):
        from_json(Recipe, {"name": "zhu2017"})


@pytest.mark.parametrize("recipe", [SMALL, SMALL_AFFINE])
def test_in_float16_it_is_less_than_two_grey_levels_off(recipe: Recipe) -> None:
    generator, x = make_generator(recipe), draw_images()
    y = to_half(generator)(x)
    difference = np.abs((y - generator(x)).numpy())
    assert y.dtype == torch.float32
    assert 0 < difference.max() < 2 * GREY_LEVEL
