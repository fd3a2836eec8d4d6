"""What chooses and measures a model must be able to: foreground, tiles large enough, patients it has not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from augengine.errors import SourceError
from augengine.shards import ShardWriter
from augengine_train.loop.checkpoints import Checkpoints
from augengine_train.unet import Cohort, Fit, Rule, StoredVariants, find_tiles, make_training, measure
from augengine_train.unet.__main__ import main
from augengine_train.unet.cohort import Tiles
from augengine_train.unet.drift import find_drift
from augengine_train.unet.drift import main as drift
from augengine_train.unet.fit import open_view
from augengine_train.unet.run import SegmenterCard, describe_data, find_card
from tests.support.pictures import encode
from tests.support.segmenter_tiles import glomerulus, names, tiny_recipe, write_tiles

TOY = ["--recipe", "small", "--width", 2, "--depth", 2, "--crop", 32, "--steps", 1, "--stain", "cd68"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of anna, berta, carl, and of `other`, whose glomeruli have the class 76."""
    folder = tmp_path_factory.mktemp("splits")
    for number, patient in enumerate(("anna", "berta", "carl")):
        write_tiles(folder, names(patient[0], 3), seed=10 * number, patient=patient, shard=patient)
    write_tiles(folder, names("o", 2), seed=40, patient="otto", class_id=76, shard="other")
    write_tiles(folder, names("s", 1), side=24, seed=50, patient="susi", shard="small")
    write_tiles(folder, names("n", 2), seed=60, shard="nameless")
    return folder


def tiles(folder: Path, *shards: str) -> Tiles:
    return find_tiles([str(folder / f"{shard}.tar") for shard in shards])


def fit(cohort: Cohort, out: Path, **recipe: Any) -> Fit:
    rule = Rule(variants=0, p=0.5, seed=0)
    shape = tiny_recipe(**recipe)
    return Fit(cohort=cohort, rule=rule, variants=StoredVariants(), recipe=shape, out=out, steps=1, quiet=True)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that saw anna and was chosen by berta."""
    out = tmp_path_factory.mktemp("trained")
    make_training(fit(Cohort(train=tiles(folder, "anna"), validation=tiles(folder, "berta")), out)).train()
    return out


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_without_foreground_would_choose_and_praise_the_model_that_finds_nothing(
    folder: Path, tmp_path: Path, split: str
) -> None:
    cohort = replace(Cohort(train=tiles(folder, "anna")), **{split: tiles(folder, "other")})
    said = rf"no {split} mask holds a foreground class \(1\); the classes found are 76"
    with pytest.raises(SourceError, match=said) as caught:
        make_training(fit(cohort, tmp_path))
    assert "--classes 76" in caught.value.hint
    make_training(replace(fit(cohort, tmp_path), classes=(1, 76)))


def test_foreground_that_no_output_shows_is_none(folder: Path, tmp_path: Path) -> None:
    picture, mask = glomerulus(32, 3, empty=True)
    mask[:6] = 1  # an unpadded network of 28 px shows 8 px less at each border
    with ShardWriter(tmp_path / "border.tar") as writer:
        writer.add("border", [("png", encode(picture)), ("seg.png", encode(mask))])
    cohort = Cohort(train=tiles(folder, "anna"), validation=find_tiles([str(tmp_path)]))
    make_training(fit(cohort, tmp_path / "out"))
    with pytest.raises(SourceError, match=r"no validation mask .*; the classes found are 1$") as caught:
        make_training(fit(cohort, tmp_path / "out", padding="valid", crop=28))
    assert "borders" in caught.value.hint


def test_measuring_without_foreground_or_on_small_tiles_is_refused(folder: Path, trained: Path) -> None:
    for shards, said in (("other", "no test mask holds a foreground class"), ("small", "1 tiles are smaller than a")):
        found = tiles(folder, shards)
        with pytest.raises(SourceError, match=said):
            measure(trained, found)
        varied = [replace(tile, images={0: tile.images[0], 1: tile.images[0]}) for tile in found]
        with pytest.raises(SourceError, match=said):
            find_drift(open_view(trained), varied)
    assert measure(trained, tiles(folder, "carl", "other")).pixels.f1 < 1


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def splits(folder: Path, **shards: str) -> list[object]:
    return [word for split, shard in shards.items() for word in (f"--{split}", folder / f"{shard}.tar")]


def test_the_command_refuses_them_in_a_line(folder: Path, trained: Path, tmp_path: Path) -> None:
    for order, out, said in (
        (["--measure-only", *splits(folder, train="anna", test="small")], trained, "smaller than a crop of 32 px"),
        (["--measure-only", *splits(folder, train="anna", test="other")], trained, "no test mask holds"),
        (splits(folder, train="anna", validation="other"), tmp_path, "no validation mask holds"),
    ):
        done = run(*order, *TOY, "--out", out)
        assert (done.exit_code, said in done.output, "hint: " in done.output) == (2, True, True), done.output


def test_a_training_is_known_by_what_it_passes_over(folder: Path) -> None:
    tiles = find_tiles([str(folder / "anna.tar")])
    passing = (replace(tiles[0], passed=True), *tiles[1:])
    plain, skipping = (describe_data(Cohort(train=each), {})["training_tiles"] for each in (tiles, passing))
    assert plain != skipping


def test_tiles_without_a_patient_are_counted_aloud(folder: Path, tmp_path: Path) -> None:
    done = run(*splits(folder, train="anna", test="nameless"), *TOY, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "warning: 2 of 5 tiles say no patient" in done.output
    done = run(*splits(folder, train="anna", test="carl"), *TOY, "--out", tmp_path / "b")
    assert (done.exit_code, "warning" in done.output) == (0, False), done.output


def test_patients_of_a_file_alone_are_counted_in_the_card(folder: Path, tmp_path: Path) -> None:
    csv = tmp_path / "patients.csv"
    csv.write_text("file,patient,split\nn0,nina,train\nn1,nora,train\nc*,carl,test\n")
    shards = ["--data", folder / "nameless.tar", "--data", folder / "carl.tar", "--patients", csv]
    done = run(*shards, *TOY, "--out", tmp_path / "out")
    assert (done.exit_code, "warning" in done.output) == (0, False), done.output
    card = find_card(tmp_path / "out")
    assert card.run.data["train"] == {"tiles": 2, "patients": 2}
    assert card.trained_on is not None
    assert card.trained_on.patients == ("nina", "nora")


def test_a_card_says_whom_a_model_has_seen(folder: Path, trained: Path) -> None:
    card = find_card(trained)
    assert card.doubts(tiles(folder, "carl")) == []
    assert card.doubts(tiles(folder, "anna", "carl")) == [
        "3 of 6 tiles are of what the model was trained on, which flatters it: anna"
    ]
    assert card.doubts(tiles(folder, "berta")) == [
        "3 of 3 tiles are of what the model was chosen by, which flatters it: berta"
    ]
    nameless = [replace(tile, patient="") for tile in tiles(folder, "anna")]
    assert card.doubts(nameless) == ["3 of 3 tiles are of what the model was trained on, which flatters it: a0, a1, a2"]
    renamed = [replace(tile, key=f"x{tile.key}") for tile in tiles(folder, "anna")]
    assert card.doubts(renamed) == ["3 of 3 tiles are of what the model was trained on, which flatters it: anna"]


def test_a_card_of_before_is_read_and_says_that_it_does_not_know(folder: Path, trained: Path, tmp_path: Path) -> None:
    best = Checkpoints(trained / "checkpoints").find("best")
    assert best is not None
    said = json.loads((best / "card.json").read_text())
    assert said["trained_on"] == {"patients": ["anna"], "tiles": names("a", 3)}
    (tmp_path / "card.json").write_text(
        json.dumps({name: value for name, value in said.items() if name not in ("trained_on", "chosen_by")})
    )
    old = SegmenterCard.read(tmp_path)
    assert old == replace(find_card(trained), trained_on=None, chosen_by=None)
    (line,) = old.doubts(tiles(folder, "carl"))
    assert "before it said whom it was trained on" in line


def test_measuring_again_on_patients_it_has_seen_warns(folder: Path, trained: Path) -> None:
    again = run("--measure-only", *splits(folder, train="berta", test="anna"), *TOY, "--out", trained)
    assert again.exit_code == 0, again.output
    assert "warning: 3 of 3 tiles are of what the model was trained on, which flatters it: anna" in again.output
    fresh = run("--measure-only", *splits(folder, train="anna", test="carl"), *TOY, "--out", trained)
    assert (fresh.exit_code, "warning" in fresh.output) == (0, False), fresh.output


def write_variants(folder: Path, target: Path) -> None:
    """A copy of every tile of anna and carl as its only variant."""
    for patient in ("anna", "carl"):
        for number, key in enumerate(names(patient[0], 3)):
            said = {"variant": 1, "source_key": key, "source": json.dumps({"patient": patient})}
            seed = number + 10 * ("anna", "berta", "carl").index(patient)
            write_tiles(target, [f"{key}-v0001"], seed=seed, shard=key, said=said)


def test_drift_can_look_at_the_test_patients_alone(folder: Path, trained: Path, tmp_path: Path) -> None:
    write_variants(folder, tmp_path / "varied")
    csv = tmp_path / "patients.csv"
    csv.write_text("file,patient,split\na*,anna,train\nb*,berta,validation\nc*,carl,test\n")
    own = [word for patient in ("anna", "carl") for word in ("--test", str(folder / f"{patient}.tar"))]
    options = ["--out", str(trained), *own, "--variants", str(tmp_path / "varied")]
    all_of_them = CliRunner().invoke(drift, options)
    assert all_of_them.exit_code == 0, all_of_them.output
    assert "on 6 tiles" in all_of_them.output
    assert "warning: 3 of 6 tiles are of what the model was trained on, which flatters it: anna" in all_of_them.output
    tested = CliRunner().invoke(drift, [*options, "--patients", str(csv)])
    assert tested.exit_code == 0, tested.output
    assert "on 3 tiles" in tested.output
    assert "warning" not in tested.output
    csv.write_text("file,patient,split\na*,anna,train\nb*,berta,validation\nc*,carl,train\n")
    none = CliRunner().invoke(drift, [*options, "--patients", str(csv)])
    assert (none.exit_code, "is of a test patient" in none.output) == (2, True), none.output


def test_tiles_that_eps_was_chosen_on_are_left_out(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "eps.json"
    file.write_text(json.dumps({"stain": "cd68", "tiles": ["a1"]}))
    done = run(*splits(folder, train="anna", test="carl"), *TOY, "--without", file, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    seen = find_card(tmp_path / "out").trained_on
    assert seen is not None
    assert seen.tiles == ("a0", "a2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"stain": "cd68", "tiles": ["a1", "x", "c0"]}', "2 tiles are to be left out and are not trained on anyway"),
        ('{"stain": "cd34", "tiles": ["a1"]}', "is of the stain cd34, the tiles are of cd68"),
        ('{"stain": "cd68", "tiles": ["a0", "a1", "a2"]}', "no tiles to train on"),
        ('{"stain": "cd68", "tiles": []}', "lists no tiles"),
        ("[]", "lists no tiles"),
        ("{", "cannot be read"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_by_name(folder: Path, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "eps.json"
    file.write_text(text)
    done = run(*splits(folder, train="anna"), *TOY, "--without", file, "--out", tmp_path / "out")
    assert (done.exit_code, said in done.output, "eps.json" in done.output) == (2, True, True), done.output
    assert "hint: " in done.output
