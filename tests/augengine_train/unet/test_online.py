"""Variants made while training are those of `augengine augment`, pixel for pixel: tiles of all sizes, all classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from augengine.spec import NoiseSpec
from augengine.stains import BUILT_IN
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.unet.__main__ import main
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.items import Looks, TrainingItems, steps_of
from augengine_train.unet.online import open_translators
from augengine_train.unet.run import WEIGHTS
from augengine_train.unet.standard import Standard
from augengine_train.unet.tiles import find_tiles, pass_over
from augengine_train.unet.variants import OnlineVariants, Rule, StoredVariants
from tests.support.datasets import keys, make
from tests.support.segmenter_tiles import names, tiny_recipe, write_tiles

GREY = Standard(mean=(0.5, 0.5, 0.5), deviation=(0.2, 0.2, 0.2))
EPOCHS = 3
NOISE = NoiseSpec(eps=0.2, seed=5)
PATIENTS = "file,patient,split\na*,anna,train\nb*,berta,train\nempty,berta,train\nc*,carl,test\n"
TOY = ["--recipe", "small", "--width", 4, "--depth", 2, "--crop", 32, "--batch", 3, "--steps", 4, "--stain", "cd68"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of 32 and of 45 px, one of them background; the largest, of 58 px, is tested on."""
    folder = tmp_path_factory.mktemp("sources")
    write_tiles(folder, names("a", 2), patient="anna", shard="anna")
    write_tiles(folder, names("b", 1), side=45, seed=3, patient="berta", shard="berta")
    write_tiles(folder, ["empty"], side=45, seed=4, patient="berta", shard="empty", said={"class": "background"})
    write_tiles(folder, names("c", 1), side=58, seed=5, patient="carl", shard="carl")
    (folder.parent / "patients.csv").write_text(PATIENTS)
    return folder


@pytest.fixture(scope="module")
def ahead(sources: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A variant of each tile for each epoch, without the tiles but for that which passed through."""
    out = tmp_path_factory.mktemp("ahead")
    options = {"chain": "plain", "precision": "float32", "skip_classes": ("background",)}
    assert make(sources, out, small_weights, variants=EPOCHS, eps=NOISE.eps, seed=NOISE.seed, **options).complete()
    assert [key for key in keys(out) if key.endswith("-v0000")] == ["empty-v0000"]
    return out


@pytest.fixture(scope="module")
def online(sources: Path, small_weights: Path) -> Iterator[OnlineVariants]:
    """Engines as large as the largest tile of the source."""
    translators = open_translators(BUILT_IN["cd68"], find_tiles([str(sources)]), small_weights)
    assert (translators.height, translators.width) == (60, 60)
    yield OnlineVariants(translators, NOISE)
    translators.close()


@pytest.mark.e2e
def test_every_variant_of_every_size_is_that_of_the_shards(sources: Path, ahead: Path, online: OnlineVariants) -> None:
    written, stored = find_tiles([str(sources), str(ahead)]), StoredVariants()
    assert [(tile.key, tile.height, tile.variants) for tile in written] == [
        ("a0", 32, 3), ("a1", 32, 3), ("b0", 45, 3), ("c0", 58, 3), ("empty", 45, 0)
    ]  # fmt: skip
    for tile in written:
        for variant in range(tile.variants + 1):
            assert np.array_equal(online.image(tile, variant), stored.image(tile, variant)), (tile.key, variant)


def items(tiles: Tiles, variants: OnlineVariants | StoredVariants, rule: Rule) -> TrainingItems:
    shape = tiny_recipe(crop=24, epochs=EPOCHS)
    return TrainingItems(tiles, variants, rule, shape, Looks(standard=GREY, classes=(1,)), steps_of(shape, len(tiles)))


@pytest.mark.e2e
@pytest.mark.parametrize("variants", [None, 2])
def test_a_loader_that_augments_and_one_that_reads_show_the_same_in_every_epoch(
    sources: Path, ahead: Path, online: OnlineVariants, variants: int | None
) -> None:
    rule = Rule(variants=variants, p=0.5, seed=11)
    plain, written = find_tiles([str(sources)]), find_tiles([str(sources), str(ahead)])
    made, read = items(pass_over(plain, ["background"]), online, rule), items(written, StoredVariants(), rule)
    assert len(made) == len(read) >= EPOCHS * 5
    for index in range(EPOCHS * 5):
        assert made.shown(index)[1:] == read.shown(index)[1:]
        assert torch.equal(made[index]["image"], read[index]["image"]), index
        assert torch.equal(made[index]["mask"], read[index]["mask"]), index
    shown = [read.shown(index) for index in range(EPOCHS * 5)]
    assert {variant for _, variant, _ in shown} >= {0, 1, 2}
    assert {variant for tile, variant, _ in shown if tile.key == "empty"} == {0}
    if variants is None:  # epoch e shows variant e + 1
        assert all(variant in (0, epoch + 1) for _, variant, epoch in shown)


def test_a_class_is_passed_over_by_its_json_or_its_own_member(sources: Path) -> None:
    tiles = find_tiles([str(sources)])
    assert [tile.key for tile in pass_over(tiles, ["background"]) if tile.passed] == ["empty"]
    assert not any(tile.passed for tile in pass_over(tiles, []))
    named = replace(tiles[0], says=replace(tiles[0].says, extras={"cls": b"glass\n"}))
    assert [tile.passed for tile in pass_over([named, tiles[1]], ["glass"])] == [True, False]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def weights(out: Path) -> bytes:
    folder = Checkpoints(out / "checkpoints").find("step")
    assert folder is not None
    return (folder / f"{WEIGHTS}.safetensors").read_bytes()


@pytest.mark.e2e
def test_the_command_trains_alike_on_variants_made_and_variants_read(
    sources: Path, ahead: Path, small_weights: Path, tmp_path: Path
) -> None:
    arguments = ["--patients", sources.parent / "patients.csv", "--data", sources, *TOY]
    online = ["--online", "--eps", NOISE.eps, "--noise-seed", NOISE.seed, "--weights", small_weights]
    made = run(*arguments, *online, "--skip-class", "background", "--out", tmp_path / "made")
    assert made.exit_code == 0, made.output
    assert "1 of 4 training tiles are always shown as they are" in made.output
    assert "60 x 60 px" in made.output
    read = run(*arguments, "--data", ahead, "--variants", "fresh", "--out", tmp_path / "read")
    assert read.exit_code == 0, read.output
    assert weights(tmp_path / "made") == weights(tmp_path / "read")
    other = run(*arguments, *online, "--out", tmp_path / "other")  # the background is augmented, too
    assert other.exit_code == 0, other.output
    assert weights(tmp_path / "other") != weights(tmp_path / "made")


@pytest.mark.e2e
def test_an_eps_beyond_the_real_and_an_unknown_scale_are_warned_of(tmp_path: Path, small_weights: Path) -> None:
    write_tiles(tmp_path / "known", ["a"])
    write_tiles(tmp_path / "unknown", ["b"], seed=1, said={"mpp": None})
    for number, eps in enumerate((0.3, 0.31)):
        arguments = ["--train", tmp_path / "known", "--online", "--weights", small_weights, "--eps", eps, *TOY]
        done = run(*arguments, "--out", tmp_path / f"known-{number}")
        assert done.exit_code == 0, done.output
        assert ("eps 0.31 is above 0.3, where cd68 stops looking real" in done.output) == (eps > 0.3)
        assert "um/px of" not in done.output
    done = run(*arguments, "--train", tmp_path / "unknown", "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    assert "warning: the um/px of 1 of 2 tiles are unknown, the generators need about 0.5" in done.output
