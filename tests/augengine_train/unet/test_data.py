"""What a segmenter is trained on: tiles and variants found in shards, patients apart, one order for every loader."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from augengine.errors import AugengineError, SourceError, SpecError
from augengine.jobs import Report
from augengine.json_values import from_json, to_json
from augengine.shards import ShardWriter, write_report
from augengine.stains import BUILT_IN, find_stain
from augengine.tiling.patients import Patients
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.cohort import Cohort, parse_classes, split_by_patients
from augengine_train.unet.foreground import ForegroundMasks, check_masks
from augengine_train.unet.items import Looks, TrainingItems, epochs_of, steps_of
from augengine_train.unet.online import open_translators
from augengine_train.unet.standard import Standard, measure_standard
from augengine_train.unet.stored import check_stored
from augengine_train.unet.tiles import find_tiles
from augengine_train.unet.variants import Rule, StoredVariants
from tests.support.datasets import make, record
from tests.support.pictures import encode
from tests.support.segmenter_tiles import glomerulus, names, tiny_recipe, write_tiles
from tests.support.small_shards import pack

GREY = Standard(mean=(0.5, 0.5, 0.5), deviation=(0.2, 0.2, 0.2))
EPOCHS = 3


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six tiles of 32 px of two patients, in one shard of a folder."""
    folder = tmp_path_factory.mktemp("tiles")
    write_tiles(folder, names("a", 3), patient="anna", shard="anna")
    write_tiles(folder, names("b", 3), seed=3, patient="berta", shard="berta")
    return folder


@pytest.fixture(scope="module")
def ahead(sources: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A variant of each tile for each epoch, as `augengine augment` writes them."""
    out = tmp_path_factory.mktemp("ahead")
    made = make(sources, out, small_weights, variants=EPOCHS, eps=0.2, seed=5, chain="plain", precision="float32")
    assert made.complete()
    return out


def items(tiles: Path | list[Path], variants: object, rule: Rule, **recipe: object) -> TrainingItems:
    texts = [str(each) for each in (tiles if isinstance(tiles, list) else [tiles])]
    found, shape = find_tiles(texts), tiny_recipe(crop=24, **recipe)
    looks = Looks(standard=GREY, classes=(1,), stain=BUILT_IN["cd68"])
    return TrainingItems(found, variants, rule, shape, looks, steps_of(shape, len(found)))  # type: ignore[arg-type]


@pytest.mark.e2e
def test_a_variant_that_is_shown_differs_from_its_tile(sources: Path, ahead: Path) -> None:
    tile = find_tiles([str(sources), str(ahead)])[0]
    stored = StoredVariants()
    source, *others = (stored.image(tile, variant).astype(int) for variant in range(EPOCHS + 1))
    assert np.array_equal(source, glomerulus(32, 0)[0])
    assert all(np.abs(other - source).mean() > 1 for other in others)
    assert not np.array_equal(others[0], others[1])


@pytest.mark.e2e
def test_tiles_that_pass_through_are_shown_as_they_are(tmp_path: Path, small_weights: Path) -> None:
    write_tiles(tmp_path / "in", ["g"])
    write_tiles(tmp_path / "in", ["empty"], seed=4, shard="tiles-000001", said={"class": "background"})
    options = {"variants": 2, "include_source": True, "skip_classes": ("background",)}
    make(tmp_path / "in", tmp_path / "out", small_weights, **options)
    empty, g = find_tiles([str(tmp_path / "out")])
    assert (empty.passed, empty.variants, g.passed, g.variants) == (True, 0, False, 2)
    rule = Rule(variants=2, p=1.0, seed=0)
    check_stored([empty, g], rule, epochs=9)
    assert {rule.pick(empty, epoch) for epoch in range(9)} == {0}
    assert {rule.pick(g, epoch) for epoch in range(9)} == {1, 2}


@pytest.mark.e2e
def test_what_augengine_wrote_keeps_patient_and_scale(sources: Path, ahead: Path) -> None:
    assert json.loads(record(ahead, "a0-v0001")["source"])["patient"] == "anna"
    tiles = find_tiles([str(sources), str(ahead)])
    assert [(tile.key, tile.patient, tile.mpp, tile.variants) for tile in tiles] == [
        *((key, "anna", 0.5, EPOCHS) for key in names("a", 3)),
        *((key, "berta", 0.5, EPOCHS) for key in names("b", 3)),
    ]


@pytest.mark.e2e
def test_too_few_variants_are_refused(sources: Path, ahead: Path) -> None:
    tiles = find_tiles([str(sources), str(ahead)])
    check_stored(tiles, Rule(variants=None, p=0.5, seed=0), EPOCHS)
    with pytest.raises(SourceError, match="a0 has 3 variants, the training shows 4"):
        check_stored(tiles, Rule(variants=None, p=0.5, seed=0), EPOCHS + 1)
    with pytest.raises(SourceError, match="a0 has 0 variants"):
        check_stored(find_tiles([str(sources)]), Rule(variants=1, p=0.5, seed=0), 1)


@pytest.mark.e2e
def test_variants_without_their_source_are_refused(ahead: Path) -> None:
    with pytest.raises(SourceError, match="a0: its variants are there, but not itself"):
        find_tiles([str(ahead)])


def test_every_epoch_shows_every_tile_once_in_another_order(sources: Path) -> None:
    training = items(sources, StoredVariants(), Rule(variants=0, p=0.5, seed=1), epochs=4)
    epochs = [[training.shown(epoch * 6 + i)[0].key for i in range(6)] for epoch in range(4)]
    assert all(sorted(epoch) == [*names("a", 3), *names("b", 3)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert {training.shown(i)[2] for i in range(24)} == {0, 1, 2, 3}


def test_an_item_is_a_pure_function_of_seed_and_number(sources: Path) -> None:
    one, again, other = (
        items(sources, StoredVariants(), Rule(variants=0, p=0.5, seed=seed), stain_jitter=True) for seed in (1, 1, 2)
    )
    sent = pickle.loads(pickle.dumps(again))  # noqa: S301 - our own bytes, as a DataLoader's worker gets them
    order = [5, 0, 3, 5]
    first = {index: one[index] for index in sorted(set(order))}
    for index in order:
        assert torch.equal(sent[index]["image"], first[index]["image"])
        assert torch.equal(sent[index]["mask"], first[index]["mask"])
    assert any(not torch.equal(other[index]["image"], first[index]["image"]) for index in first)


def test_crops_move_and_their_masks_with_them(sources: Path) -> None:
    training = items(sources, StoredVariants(), Rule(variants=0, p=0.5, seed=1), epochs=20, own_p=0.0)
    masks = {training[index]["mask"].numpy().tobytes() for index in range(60)}
    assert len(masks) > 20
    item = training[0]
    assert (item["image"].shape, item["mask"].shape) == ((3, 24, 24), (24, 24))
    green = item["image"][1].numpy() * 0.2 + 0.5  # where disc and tissue differ most
    assert green[item["mask"] == 1].mean() < green[item["mask"] == 0].mean()


def test_epochs_and_steps_fit_each_other() -> None:
    recipe = tiny_recipe(epochs=10)
    assert (steps_of(recipe, 6), steps_of(recipe, 6, 3)) == (15, 3)
    assert (epochs_of(recipe, 6, 15), epochs_of(recipe, 6, 3), epochs_of(recipe, 6, 1)) == (10, 2, 1)


def test_reports_and_pixels_give_one_standard(tmp_path: Path) -> None:
    file = write_tiles(tmp_path, names("a", 4))
    tiles = find_tiles([str(tmp_path)])
    counted = measure_standard(tiles)
    pixels = np.concatenate([glomerulus(32, seed)[0].reshape(-1, 3) for seed in range(4)]) / 255
    assert np.allclose(counted.mean, pixels.mean(axis=0), atol=1e-12)
    assert np.allclose(counted.deviation, pixels.std(axis=0), atol=1e-9)
    squares = (4096 * 255, 4096 * 300, 4096 * 400)
    report = Report(output=file.stem, samples_out=4, pixels=4096, channel_sum=(1, 2, 3), channel_sum_sq=squares)
    write_report(tmp_path, report)
    reported = measure_standard(tiles)  # it was taken, since it says something else
    assert np.allclose(reported.mean, np.array([1, 2, 3]) / 4096 / 255)
    assert measure_standard(tiles[:3]) != reported  # the report counts a tile that is not trained on
    assert from_json(Standard, json.loads(json.dumps(to_json(counted)))) == counted


def test_standardised_pixels_have_mean_zero_and_deviation_one(sources: Path) -> None:
    tiles = find_tiles([str(sources)])
    standard, stored = measure_standard(tiles), StoredVariants()
    images = torch.stack([torch.from_numpy(stored.image(tile, 0).transpose(2, 0, 1) / 255.0) for tile in tiles])
    values = standard.apply(images.float()).transpose(0, 1).reshape(3, -1)
    assert values.mean(dim=1).abs().max() < 1e-4
    assert (values.std(dim=1) - 1).abs().max() < 1e-3


def test_blank_tiles_are_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "t.tar") as writer:
        white = encode(np.full((32, 32, 3), 255, dtype=np.uint8))
        writer.add("w", [("png", white), ("seg.png", encode(np.ones((32, 32), dtype=np.uint8)))])
    with pytest.raises(SourceError, match="blank"):
        measure_standard(find_tiles([str(tmp_path)]))


def test_a_patient_is_in_one_split(sources: Path, tmp_path: Path) -> None:
    tiles = find_tiles([str(sources)])
    cohort = Cohort(train=tiles[:3], test=tiles[3:])
    assert cohort.to_json()["test"] == {"tiles": 3, "patients": 1}
    with pytest.raises(SourceError, match="the patient anna is in two splits, train and test"):
        Cohort(train=tiles[:2], test=tiles[2:])
    with pytest.raises(SourceError, match="no tiles to train on"):
        Cohort(train=(), test=tiles)
    write_tiles(tmp_path, ["a0"], seed=9)
    with pytest.raises(SourceError, match="the tile a0 is in two splits"):
        Cohort(train=tiles[:3], test=find_tiles([str(tmp_path)]))


def test_a_patients_file_splits_by_keys_and_must_fit_the_json(sources: Path, tmp_path: Path) -> None:
    tiles = find_tiles([str(sources)])
    file = tmp_path / "patients.csv"
    file.write_text("file,patient,split\na*,anna,train\nb*,berta,test\n")
    cohort = split_by_patients(tiles, Patients.read(file), "tiles")
    assert (cohort.train, cohort.validation, cohort.test) == (tiles[:3], (), tiles[3:])
    nameless = [replace(tile, patient="") for tile in tiles]
    assert split_by_patients(nameless, Patients.read(file), "tiles") == cohort
    assert cohort.to_json()["train"] == {"tiles": 3, "patients": 1}
    file.write_text("file,patient,split\na*,anna,train\nb*,carl,test\n")
    with pytest.raises(SourceError, match="b0 is of the patient berta by its json and of carl"):
        split_by_patients(tiles, Patients.read(file), "tiles")
    file.write_text("file,patient,split\na*,anna,train\n")
    with pytest.raises(SourceError, match="b0 of tiles is in no row"):
        split_by_patients(tiles, Patients.read(file), "tiles")


def test_tiles_smaller_than_the_crop_are_named(sources: Path) -> None:
    cohort = Cohort(train=find_tiles([str(sources)]))
    cohort.check_sizes(tiny_recipe(crop=32))
    with pytest.raises(SourceError, match=r"6 tiles are smaller than a crop of 64 px, as a0 with 32 x 32"):
        cohort.check_sizes(tiny_recipe(crop=64))


def write(folder: Path, key: str, *members: tuple[str, bytes], shard: str = "bad") -> str:
    with ShardWriter(folder / f"{shard}.tar") as writer:
        writer.add(key, list(members))
    return str(folder)


def test_what_cannot_be_trained_on_is_named(tmp_path: Path) -> None:
    picture, mask = (encode(pixels) for pixels in glomerulus(32, 0))
    with pytest.raises(SourceError, match="t: it has no mask"):
        find_tiles([write(tmp_path / "a", "t", ("png", picture))])
    with pytest.raises(SourceError, match="holds t a second time"):
        find_tiles([write(tmp_path / "b", "t", ("png", picture), ("seg.png", mask))] * 2)
    with pytest.raises(SourceError, match="variant -1 of 't'"):
        find_tiles([write(tmp_path / "c", "t", ("png", picture), ("json", b'{"variant": -1}'))])
    with pytest.raises(SourceError, match="json"):
        find_tiles([write(tmp_path / "d", "t", ("png", picture), ("json", b"{"))])
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "t.png").write_bytes(picture)
    with pytest.raises(SourceError, match="folder of images"):
        find_tiles([str(tmp_path / "e")])
    with pytest.raises(SourceError, match="there is no"):
        find_tiles([str(tmp_path / "none")])


@pytest.mark.parametrize("pair", [("t.png", "t_mask.png"), ("images/t.png", "masks/t.png"), ("t.png", "t.label.png")])
def test_masks_under_their_usual_names_are_found(tmp_path: Path, pair: tuple[str, str]) -> None:
    picture, ids = glomerulus(32, 0)
    meta = pair[0].replace(".png", ".json")
    pack(tmp_path / "t.tar", [(meta, b"{}"), (pair[1], encode(ids)), (pair[0], encode(picture))])
    (tile,) = find_tiles([str(tmp_path)])
    np.testing.assert_array_equal(PlaceReader().mask(tile.mask), ids)
    np.testing.assert_array_equal(PlaceReader().image(tile.images[0]), picture)


def test_a_gap_between_variants_is_named(tmp_path: Path) -> None:
    picture, mask = (encode(pixels) for pixels in glomerulus(32, 0))
    with ShardWriter(tmp_path / "t.tar") as writer:
        for variant in (0, 2):
            said = json.dumps({"source_key": "t", "variant": variant, "source": ""}).encode()
            writer.add(f"t-v000{variant}", [("png", picture), ("seg.png", mask), ("json", said)])
    with pytest.raises(SourceError, match="t: its variant 1 is missing"):
        find_tiles([str(tmp_path)])


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    picture, mask = encode(glomerulus(32, 0)[0]), encode(glomerulus(16, 0)[1])
    (tile,) = find_tiles([write(tmp_path, "t", ("png", picture), ("seg.png", mask))])
    with pytest.raises(SourceError, match="the mask of t is 16 x 16 px, its image 32 x 32 px"):
        ForegroundMasks((1,), PlaceReader()).read(tile)


def test_the_foreground_is_the_classes_named(tmp_path: Path) -> None:
    write_tiles(tmp_path, ["t"], class_id=76)
    tiles = find_tiles([str(tmp_path)])
    truth = glomerulus(32, 0)[1] > 0
    for classes in ((76,), (1, 76)):
        masks = ForegroundMasks(classes, PlaceReader())
        assert np.array_equal(masks.read(tiles[0]), truth)
        assert check_masks(tiles, masks) == pytest.approx(truth.mean())
    with pytest.raises(SourceError, match=r"foreground class \(1\); the classes found are 76") as caught:
        check_masks(tiles, ForegroundMasks((1,), PlaceReader()))
    assert "--classes 76" in caught.value.hint


@pytest.mark.parametrize("text", ["", "a", "0", "256", "1,,2"])
def test_classes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_classes(text)
    assert parse_classes("76, 1") == (1, 76)


@pytest.mark.e2e
def test_engines_for_another_scale_or_a_reference_stain_are_refused(tmp_path: Path, small_weights: Path) -> None:
    write_tiles(tmp_path, ["t"], said={"mpp": 1.0})
    tiles = find_tiles([str(tmp_path)])
    for stain, said in (("cd68", "t has 1 um/px"), ("pas", "pas is a reference stain")):
        with pytest.raises(AugengineError, match=said):
            open_translators(find_stain(stain), tiles, small_weights)


def test_stain_jitter_without_a_stain_is_refused(sources: Path) -> None:
    looks = Looks(standard=GREY, classes=(1,))
    recipe = tiny_recipe(stain_jitter=True)
    with pytest.raises(SpecError, match="vectors"):
        TrainingItems(find_tiles([str(sources)]), StoredVariants(), Rule(variants=0, p=0, seed=0), recipe, looks, 1)
