"""A whole run in this process: what goes in, what comes out, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine.dataset import AugmentRequest, augment, predict
from augengine.draws.noise import draw_sigma
from augengine.errors import (
    AugengineError,
    EngineError,
    PlanMismatch,
    ShardError,
    SourceError,
    SpecError,
    StainError,
    TargetError,
    TargetInUse,
    WeightsError,
    WrongDevice,
)
from augengine.runs import open_target
from augengine.shards.verify import verify
from augengine.spec import MAX_SIDE
from augengine.weights.home import home
from tests.support.datasets import Listener, digests, keys, leftovers, make, members, record, request
from tests.support.pictures import class_ids, decode, encode, tissue, write_folder
from tests.support.small_generator import write_small_pair

pytestmark = pytest.mark.e2e

NAMES = [f"patient{i % 3}/tile_{i}" for i in range(7)]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven small tiles with masks."""
    return write_folder(tmp_path_factory.mktemp("tiles"), NAMES, masks=True)


def test_a_folder_becomes_sound_shards(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    summary = make(tiles, tmp_path / "out", small_weights, variants=2, samples_per_shard=3)
    assert summary.complete()
    assert (summary.samples_out, len(summary.reports)) == (14, 3)
    assert verify(tmp_path / "out").ok
    assert leftovers(tmp_path / "out") == []


def test_variants_stand_adjacent_in_source_order(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, variants=2, include_source=True)
    expected = [f"patient{i % 3}_tile_{i}-v{k:04d}" for i in sorted(range(7), key=lambda i: NAMES[i]) for k in range(3)]
    assert keys(tmp_path / "out") == expected


def test_masks_and_included_sources_are_copied_byte_for_byte(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, include_source=True)
    found = members(tmp_path / "out")
    for name in NAMES:
        key, file = name.replace("/", "_"), tiles / f"{name}.png"
        assert found[f"{key}-v0000.png"] == file.read_bytes()
        for variant in (0, 1):
            assert found[f"{key}-v{variant:04d}.seg.png"] == file.with_name(f"{file.stem}_mask.png").read_bytes()


def test_the_first_variant_is_the_same_however_many_follow(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "one", small_weights, variants=1)
    make(tiles, tmp_path / "three", small_weights, variants=3, include_source=True)
    one, three = members(tmp_path / "one"), members(tmp_path / "three")
    pictures = [name for name in one if not name.endswith(".json")]
    assert len(pictures) == 2 * len(NAMES)
    assert {name: three[name] for name in pictures} == {name: one[name] for name in pictures}
    for name in one.keys() - set(pictures):
        assert json.loads(three[name]) == json.loads(one[name]) | {"variants": 3}


def test_every_json_has_the_same_fields_of_the_same_types(small_weights: Path, tmp_path: Path) -> None:
    source, out = write_folder(tmp_path / "in", ["a", "b", "c", "d"]), tmp_path / "out"
    (source / "b.json").write_text('{"mpp": 1, "grade": null}')
    (source / "c.json").write_text('{"grade": "II", "class": "background", "stack": [1, {"a": "\\u00e4"}]}')
    options: dict[str, Any] = {
        "variants": 2,
        "include_source": True,
        "allow_mpp": True,
        "skip_classes": ("background",),
    }
    make(source, out, small_weights, mpp=None, **options)
    records = [record(out, key) for key in keys(out)]
    assert len(records) == 3 + 3 + 1 + 3
    assert {tuple((name, type(value)) for name, value in sorted(each.items())) for each in records} == {
        tuple((name, type(value)) for name, value in sorted(records[0].items()))
    }
    assert None not in records[0].values()
    found = {each["source_key"]: (each["source"], each["mpp"], each["variants"]) for each in records}
    assert found["a"] == ("", 0.0, 2)
    assert found["b"] == ((source / "b.json").read_text(), 1.0, 2)
    assert found["c"] == ((source / "c.json").read_text(), 0.0, 0)


def test_both_chains_give_almost_the_same_pictures(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    for chain in ("dali", "plain"):
        make(tiles, tmp_path / chain, small_weights, chain=chain, precision="float32")
    one, other = members(tmp_path / "dali"), members(tmp_path / "plain")
    for name in (name for name in one if name.endswith("1.png")):
        apart = np.abs(decode(one[name]).astype(int) - decode(other[name]).astype(int))
        assert apart.max() <= 1


def test_a_sample_says_how_it_was_made(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    (tiles / "patient0" / "tile_0.json").write_text(json.dumps({"mpp": 0.45, "patient": "p0"}))
    make(tiles, tmp_path / "out", small_weights, seed=5)
    said = record(tmp_path / "out", "patient0_tile_0-v0001")
    (tiles / "patient0" / "tile_0.json").unlink()
    assert json.loads(said["source"]) == {"mpp": 0.45, "patient": "p0"}
    assert (said["mpp"], said["eps"], said["seed"], said["variant"]) == (0.45, 0.05, 5, 1)
    assert said["sigma"] == draw_sigma(0.05, 5, "patient0_tile_0", 1)
    assert said["source_key"] == "patient0_tile_0"


def test_bad_samples_are_named_and_their_neighbours_go_through(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", [f"tile_{i:02d}" for i in range(14)])
    whole = (source / "tile_03.png").read_bytes()
    (source / "tile_03.png").write_bytes(whole[: len(whole) // 2])
    (source / "tile_07.png").write_bytes(b"no picture at all")
    shutil.copy(source / "tile_00.png", source / f"{'x' * 120}.png")
    shutil.copy(source / "tile_00.png", source / "tile_14.png")
    for _ in range(2):  # also when run again with nothing left to do
        summary = make(source, tmp_path / "out", small_weights, samples_per_shard=4)
        assert summary.samples_out == 13
        assert not summary.complete()
        assert summary.complete(allow_failures=3)
        assert {line.partition(":")[0] for line in summary.failure_lines()} == {"tile_03", "tile_07", "x" * 120}
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (encode(tissue(), mode="RGBA"), "alpha"),
        (encode(tissue(), mode="L"), "greyscale"),
        (encode(tissue(), "JPEG", mode="CMYK"), "CMYK"),
        (b"", "empty"),
    ],
)
def test_what_is_not_8_bit_rgb_is_a_bad_sample(damage: bytes, reason: str, small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a", "b"])
    (source / "b.png").write_bytes(damage)
    summary = make(source, tmp_path / "out", small_weights)
    assert summary.samples_out == 1
    assert reason in summary.failure_lines()[0]


def test_a_mask_of_another_size_is_a_bad_sample(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a", "b"], masks=True)
    (source / "b_mask.png").write_bytes(encode(class_ids(40, 40)))
    summary = make(source, tmp_path / "out", small_weights)
    assert keys(tmp_path / "out") == ["a-v0001"]
    assert "40 x 40" in summary.failure_lines()[0]


def test_images_of_several_sizes_keep_their_own(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["large"], height=64, width=60)
    write_folder(source, ["small"], height=37, width=41)
    make(source, tmp_path / "out", small_weights)
    found = members(tmp_path / "out")
    assert decode(found["large-v0001.png"]).shape == (64, 60, 3)
    assert decode(found["small-v0001.png"]).shape == (37, 41, 3)


def test_skipped_classes_pass_through_untouched(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["bg", "glom"])
    (source / "bg.json").write_text(json.dumps({"class": "background"}))
    make(source, tmp_path / "out", small_weights, skip_classes=("background",), variants=2)
    assert keys(tmp_path / "out") == ["bg-v0000", "glom-v0001", "glom-v0002"]
    assert members(tmp_path / "out")["bg-v0000.png"] == (source / "bg.png").read_bytes()
    assert record(tmp_path / "out", "bg-v0000")["variants"] == 0


def test_a_skipped_class_that_no_sample_has_is_said(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["bg", "glom"])
    (source / "bg.json").write_text(json.dumps({"class": "background"}))
    for _ in ("made", "gone on with"):
        found = make(source, tmp_path / "out", small_weights, skip_classes=("background", "backgroud"))
        (note,) = [note for note in found.outcome.notes if "--skip-class" in note]
        assert note.startswith("no sample has the class 'backgroud'")


def test_um_per_px_of_a_sample_are_a_number_or_its_text_and_nothing_else(small_weights: Path, tmp_path: Path) -> None:
    stated = {"text": "0.5", "none": None, "zero": 0, "list": [0.5, 0.5], "minus": -1, "word": "20x", "far": 2}
    source = write_folder(tmp_path / "in", list(stated))
    for name, mpp in stated.items():
        (source / f"{name}.json").write_text(json.dumps({"mpp": mpp}))
    with pytest.raises(SpecError, match="the source has 2 um/px"):
        make(source, tmp_path / "out", small_weights)
    (source / "far.json").write_text(json.dumps({"mpp": "0.5"}))
    found = make(source, tmp_path / "out", small_weights)
    bad = [line.partition(":")[0] for line in found.failure_lines() if "under mpp, which is no um/px" in line]
    assert (found.failed_samples, bad) == (3, ["list", "minus", "word"])
    assert record(tmp_path / "out", "text-v0001")["mpp"] == 0.5


def test_a_limit_takes_the_first_samples(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "all", small_weights)
    make(tiles, tmp_path / "some", small_weights, limit=3)
    assert keys(tmp_path / "some") == keys(tmp_path / "all")[:3]


def test_jpg_and_webp_hold_the_same_pictures(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    for image_format in ("png", "webp", "jpg"):
        make(tiles, tmp_path / image_format, small_weights, image_format=image_format)
        assert verify(tmp_path / image_format).ok
    exact = {name.partition(".")[0]: data for name, data in members(tmp_path / "png").items() if name[-5:] == "1.png"}
    webp, jpg = members(tmp_path / "webp"), members(tmp_path / "jpg")
    for key, data in exact.items():
        assert np.array_equal(decode(webp[f"{key}.webp"]), decode(data))
        assert np.abs(decode(jpg[f"{key}.jpg"]).astype(float) - decode(data)).mean() < 4


def test_a_finished_run_is_resumed_with_nothing_left_to_do(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "out", small_weights, samples_per_shard=2)
    before = digests(tmp_path / "out")
    assert make(tiles, tmp_path / "out", small_weights, samples_per_shard=2).resumed == 4
    assert digests(tmp_path / "out") == before


def test_a_run_goes_on_where_shards_are_missing(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    whole = digests(out)
    (out / ".augengine" / "cd68-000001.json").unlink()  # published, not committed
    (out / "cd68-000002.tar").unlink()
    assert make(tiles, out, small_weights, samples_per_shard=2).resumed == 2
    assert digests(out) == whole


def test_a_prediction_writes_nothing(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    prediction = predict(request(tiles, tmp_path / "out", small_weights, variants=3, samples_per_shard=2), Listener())
    assert (prediction.samples_in, prediction.samples_out, prediction.shards) == (7, 21, 4)
    assert prediction.minutes > 0
    assert prediction.gigabytes > 0
    assert not (tmp_path / "out").exists()


def _refused(kind: type[AugengineError], said: AugmentRequest, words: str) -> None:
    with pytest.raises(kind, match=words) as refusal:
        augment(said, Listener())
    assert refusal.value.hint


def test_requests_that_make_no_sense_are_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _refused(SpecError, request(tiles, out, small_weights, eps=0.0), "eps must be in")
    _refused(StainError, request(tiles, out, small_weights, stain="cd3"), "unknown stain 'cd3'")
    _refused(SpecError, request(tiles, out, small_weights, stain="pas"), "reference stain")
    _refused(SpecError, request(tiles, out, small_weights, mpp=0.25), "0.25 um/px")
    _refused(SourceError, request(tiles, out, small_weights, max_side=32), "larger than 32 px")
    _refused(SpecError, request(tiles, out, small_weights, max_side=MAX_SIDE + 1), "max-side must be 16 ... 32768 px")
    wide = request(tiles, out, small_weights, max_side=20000, image_format="webp")
    _refused(SpecError, wide, "a side of a webp has at most 16383 px")
    _refused(WeightsError, request(tiles, out, tmp_path / "none"), "does not exist")
    _refused(SourceError, AugmentRequest(stain="cd34", eps=0.05, out=out), "sample set")
    assert not out.exists()


def test_a_stain_without_weights_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    stain = tmp_path / "cd3.toml"
    stain.write_text('name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\n')
    _refused(WeightsError, request(tiles, tmp_path / "out", small_weights, stain=str(stain)), "no weights for pas-cd3")
    _refused(SpecError, request(tiles, tmp_path / "out", small_weights, stain=str(stain), eps=None), "nobody measured")


def test_a_stain_of_ones_own_is_augmented(tiles: Path, tmp_path: Path) -> None:
    stain = tmp_path / "cd3.toml"
    stain.write_text('name = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]\nrecommended_eps = 0.02\n')
    write_small_pair(tmp_path / "weights", stain="cd3")
    make(tiles, tmp_path / "out", tmp_path / "weights", stain=str(stain), eps=None)
    assert (tmp_path / "out" / "cd3-000000.tar").exists()
    assert record(tmp_path / "out", "patient0_tile_0-v0001")["eps"] == 0.02


def test_um_a_px_far_from_the_generators_can_be_allowed(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    assert make(tiles, tmp_path / "out", small_weights, mpp=0.25, allow_mpp=True).complete()


def test_unknown_um_a_px_warn_and_are_recorded(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    listener = Listener()
    augment(request(tiles, tmp_path / "out", small_weights, mpp=None), listener)
    assert any("um/px" in warning for warning in listener.warnings)
    assert record(tmp_path / "out", "patient0_tile_0-v0001")["mpp"] == 0


def test_an_unrealistic_eps_warns(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    listener = Listener()
    augment(request(tiles, tmp_path / "out", small_weights, eps=0.5), listener)
    assert any("0.3" in warning for warning in listener.warnings)


def test_another_spec_or_input_on_the_same_folder_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(tiles, source)
    make(source, out, small_weights, precision="float32")
    before = digests(out)
    _refused(PlanMismatch, request(source, out, small_weights, eps=0.1), "eps")
    _refused(PlanMismatch, request(source, out, small_weights, variants=2), "variants")
    _refused(PlanMismatch, request(source, out, small_weights, precision="bfloat16"), "bfloat16")
    _refused(PlanMismatch, request(source, out, small_weights, chain="plain"), "chain dali")
    write_small_pair(tmp_path / "other", seed=9)
    _refused(PlanMismatch, request(source, out, tmp_path / "other"), "other generators")
    for name in ("tile_0.png", "tile_0_mask.png"):
        (source / "patient0" / name).unlink()
    _refused(PlanMismatch, request(source, out, small_weights), "6 samples, had 7")
    assert digests(out) == before


def test_a_folder_in_use_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    with open_target(tmp_path / "out"):
        _refused(TargetInUse, request(tiles, tmp_path / "out", small_weights), "is in use by process")


def test_a_folder_of_other_files_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    _refused(TargetError, request(tiles, tmp_path / "out", small_weights), "thesis.txt")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_engines_of_another_machine_are_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(tiles, out, small_weights, samples_per_shard=2)
    plan = json.loads((out / ".augengine" / "plan.json").read_text())
    plan["engines"]["to_reference"] = "0" * 32
    (out / ".augengine" / "plan.json").write_text(json.dumps(plan))
    _refused(WrongDevice, request(tiles, out, small_weights, samples_per_shard=2), "does not make")


def test_a_missing_engine_is_not_compiled_where_that_is_forbidden(
    tiles: Path, small_weights: Path, tmp_path: Path, own_home: Path
) -> None:
    assert home() == own_home
    shutil.rmtree(own_home / "engines", ignore_errors=True)
    _refused(EngineError, request(tiles, tmp_path / "out", small_weights, no_build=True), "there is no engine")
    assert make(tiles, tmp_path / "out", small_weights).complete()
    assert make(tiles, tmp_path / "again", small_weights, no_build=True).complete()


def test_nothing_is_compiled_to_try_again_what_was_never_begun(
    tiles: Path, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    asked = request(tiles, tmp_path / "out", small_weights, retry_failed=True)
    _refused(ShardError, asked, "holds no dataset, so nothing in it failed")
    assert not (tmp_path / "home" / "engines").exists()
