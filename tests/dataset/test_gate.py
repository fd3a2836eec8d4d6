"""The gate: variants whose tissue is no longer that of their source are left out, counted and named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine import open_dataset
from augengine.chain.base import Variants
from augengine.dataset import draw_sheet, predict, replay
from augengine.dataset.gate import part_variants
from augengine.errors import PlanMismatch, ShardError, SpecError
from augengine.jobs import Report
from augengine.json_values import from_json, to_json
from augengine.measures.structure import counterstain_ssim
from augengine.runs import read_status
from augengine.shards.records import read_report, write_report
from augengine.shards.verify import verify
from augengine.spec import GateSpec
from augengine.stains import BUILT_IN
from tests.support.datasets import Listener, digests, keys, make, members, request
from tests.support.pictures import decode, encode, tissue, write_folder

pytestmark = pytest.mark.e2e

VARIANTS = 3
OPTIONS: Mapping[str, Any] = {"variants": VARIANTS, "eps": 1.5, "precision": "float32", "samples_per_shard": 2}


@dataclass(frozen=True)
class Measured:
    """A source, its dataset with a gate that nothing fails, and the similarity of each variant."""

    tiles: Path
    out: Path
    weights: Path
    ssims: Mapping[str, float]

    def middle(self) -> float:
        """A gate that some variants pass and some do not."""
        lower, upper = sorted(self.ssims.values())[len(self.ssims) // 2 - 1 :][:2]
        assert lower < upper
        return upper

    def make(self, out: Path, gate: float, **options: Any) -> Any:
        return make(self.tiles, out, self.weights, **{**OPTIONS, "gate": gate, **options})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Measured:
    """Five tiles with masks, three variants of each."""
    folder = tmp_path_factory.mktemp("gate")
    tiles = write_folder(folder / "tiles", [f"tile_{i}" for i in range(5)], masks=True)
    make(tiles, folder / "out", small_weights, **{**OPTIONS, "gate": 0.0})
    return Measured(tiles, folder / "out", small_weights, ssims(folder / "out"))


def ssims(out: Path) -> dict[str, float]:
    """What the json of each sample says."""
    jsons = {name.removesuffix(".json"): data for name, data in members(out).items() if name.endswith(".json")}
    return {key: json.loads(data)["counterstain_ssim"] for key, data in jsons.items()}


def test_a_gate_of_0_writes_every_variant_with_its_similarity(measured: Measured) -> None:
    found = members(measured.out)
    assert len(measured.ssims) == 5 * VARIANTS
    for key, ssim in measured.ssims.items():
        source = decode((measured.tiles / f"{key.rpartition('-v')[0]}.png").read_bytes())
        (expected,) = counterstain_ssim(source, [decode(found[f"{key}.png"])], BUILT_IN["cd68"])
        assert ssim == round(expected, 4)


def test_variants_below_the_gate_are_left_out_and_the_others_keep_their_bytes(
    measured: Measured, tmp_path: Path
) -> None:
    gate = measured.middle()
    made = measured.make(tmp_path / "out", gate)
    kept = [key for key, ssim in measured.ssims.items() if ssim >= gate]
    assert keys(tmp_path / "out") == kept
    before, after = members(measured.out), members(tmp_path / "out")
    for key in kept:
        assert after[f"{key}.png"] == before[f"{key}.png"]
        said = json.loads(after[f"{key}.json"])
        siblings = [each for each in kept if each.startswith(said["source_key"])]
        assert said == json.loads(before[f"{key}.json"]) | {"variants": len(siblings)}
    assert made.outcome.account.left_out == {key: s for key, s in measured.ssims.items() if s < gate}
    assert (made.complete(), verify(tmp_path / "out").problems) == (True, ())


def test_left_out_variants_are_counted_and_named_everywhere(measured: Measured, tmp_path: Path) -> None:
    gate, out = measured.middle(), tmp_path / "out"
    made = measured.make(out, gate)
    below = {key: ssim for key, ssim in measured.ssims.items() if ssim < gate}
    worst = min(below, key=lambda key: below[key])
    assert f"the gate left out {len(below)} variants: {worst}" in made.outcome.left_out_line()
    assert made.to_json()["left_out"] == below
    assert json.loads((out / ".augengine" / "summary.json").read_text())["left_out"] == below
    assert f"| {worst} | {below[worst]:g} |" in (out / ".augengine" / "summary.md").read_text()
    assert f"{len(below)} variants left out by the gate" in "\n".join(read_status(out).lines())


def test_a_source_that_keeps_nothing_is_counted_as_emptied(measured: Measured, tmp_path: Path) -> None:
    made = measured.make(tmp_path / "out", 1.0)
    samples = made.to_json()["samples"]
    assert (samples["in"], samples["emptied"], samples["written"], samples["out"]) == (5, 5, 0, 0)
    assert "nothing is left of 5 source samples" in made.outcome.left_out_line()
    assert "5 emptied by the gate" in "\n".join(read_status(tmp_path / "out").lines())
    assert (made.complete(), verify(tmp_path / "out").problems) == (True, ())


def test_an_included_source_stays_and_says_that_it_has_no_variants(measured: Measured, tmp_path: Path) -> None:
    made = measured.make(tmp_path / "out", 1.0, include_source=True)
    samples = made.to_json()["samples"]
    assert (samples["emptied"], samples["written"], samples["out"]) == (0, 5, 5)
    for name, data in members(tmp_path / "out").items():
        if name.endswith(".json"):
            assert (json.loads(data)["variants"], json.loads(data)["counterstain_ssim"]) == (0, 1.0)


def test_classes_that_pass_through_need_no_gate(measured: Measured, tmp_path: Path) -> None:
    write_folder(tmp_path / "tiles", ["a", "b"])
    (tmp_path / "tiles" / "a.json").write_text('{"class": "background"}')
    options = {**OPTIONS, "gate": 1.0, "skip_classes": ("background",)}
    made = make(tmp_path / "tiles", tmp_path / "out", measured.weights, **options)
    assert keys(tmp_path / "out") == ["a-v0000"]
    assert (made.to_json()["samples"]["emptied"], verify(tmp_path / "out").problems) == (1, ())


def test_a_gated_dataset_is_the_same_twice_and_goes_on_where_it_stopped(measured: Measured, tmp_path: Path) -> None:
    gate = measured.middle()
    for name in ("one", "two"):
        measured.make(tmp_path / name, gate)
    whole = digests(tmp_path / "one")
    assert digests(tmp_path / "two") == whole
    (tmp_path / "two" / ".augengine" / "cd68-000001.json").unlink()
    assert measured.make(tmp_path / "two", gate).resumed == 2
    assert digests(tmp_path / "two") == whole
    with pytest.raises(PlanMismatch, match="least was"):
        measured.make(tmp_path / "two", gate / 2)


def test_replay_makes_kept_variants_and_names_those_left_out(measured: Measured, tmp_path: Path) -> None:
    gate = measured.middle()
    measured.make(tmp_path / "out", gate)
    kept = max(measured.ssims, key=lambda key: measured.ssims[key])
    assert replay(tmp_path / "out", kept).same
    for key in (key for key, ssim in measured.ssims.items() if ssim < gate):
        with pytest.raises(ShardError, match=f"the gate left out {key}, whose counterstain's SSIM is"):
            replay(tmp_path / "out", key)


def test_the_loader_shows_what_is_left_of_each_source(measured: Measured, tmp_path: Path) -> None:
    measured.make(tmp_path / "out", measured.middle(), include_source=True)
    there = set(keys(tmp_path / "out"))
    shown = set()
    dataset = open_dataset(str(tmp_path / "out"), p=1.0)
    for epoch in range(12):
        dataset.set_epoch(epoch)
        found = [sample["__key__"] for sample in dataset]
        assert len(found) == 5
        shown |= set(found)
    varied = {key.rpartition("-v")[0] for key in there if not key.endswith("-v0000")}
    assert shown == {key for key in there if not (key.endswith("-v0000") and key.rpartition("-v")[0] in varied)}


def test_an_image_that_is_too_small_to_measure_is_a_bad_sample(measured: Measured, tmp_path: Path) -> None:
    write_folder(tmp_path / "tiles", ["large"])
    (tmp_path / "tiles" / "small.png").write_bytes(encode(tissue(10, 10)))
    made = make(tmp_path / "tiles", tmp_path / "out", measured.weights, **{**OPTIONS, "gate": 0.0})
    assert made.failure_lines() == ["small: the image is 10 x 10 px, --gate needs at least 11 px a side"]
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize("gate", [-0.1, 1.1, float("nan")])
def test_a_gate_outside_its_range_is_refused(gate: float, measured: Measured, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gate must be in \[0, 1\]"):
        measured.make(tmp_path / "out", gate)


def test_verify_names_a_report_whose_left_out_variants_do_not_add_up(measured: Measured, tmp_path: Path) -> None:
    out = tmp_path / "out"
    measured.make(out, measured.middle())
    report = read_report(out, "cd68-000000")
    assert isinstance(report, Report)
    there = keys(out)[0]
    write_report(out, from_json(Report, to_json(report) | {"left_out": {**report.left_out, there: 0.1}}))
    problems = verify(out).problems
    assert any(f"{there} is there, though its report says that the gate left it out" in each for each in problems)
    with pytest.raises(ShardError, match="does not add up"):
        read_status(out)


def test_the_similarity_falls_with_what_changes_and_not_with_markers() -> None:
    source = tissue(64, 64)
    stain = BUILT_IN["cd68"]
    noisy = np.clip(source + np.random.default_rng(0).normal(0, 25, source.shape), 0, 255).astype(np.uint8)
    same, changed, other = counterstain_ssim(source, [source, noisy, tissue(64, 64, seed=9)], stain)
    assert same == pytest.approx(1.0)
    assert same > changed > other


def test_a_gate_of_0_keeps_even_what_is_turned_inside_out() -> None:
    source = tissue(64, 64)
    variants = Variants(key="k", images_khwc=(255 - source)[None], sigmas=(0.1,))
    for least, kept in ((0.0, 1), (0.01, 0)):
        cd68 = BUILT_IN["cd68"]
        gate = GateSpec(least=least, counterstain=cd68.counterstain, chromogen=cd68.chromogen)
        gated = part_variants(source, variants, gate)
        assert (len(gated.kept), len(gated.left_out)) == (kept, 1 - kept)
    assert min(gated.left_out.values()) < 0


def test_a_sheet_draws_what_the_gate_left_and_passes_over_bad_samples(measured: Measured, tmp_path: Path) -> None:
    write_folder(tmp_path / "tiles", ["large"])
    (tmp_path / "tiles" / "a_small.png").write_bytes(encode(tissue(10, 10)))
    make(tmp_path / "tiles", tmp_path / "out", measured.weights, **{**OPTIONS, "gate": 0.0})
    flicker = tmp_path / "sheet.gif"
    assert draw_sheet(tmp_path / "out", tmp_path / "sheet.png", rows=2, flicker=flicker).is_file()
    assert flicker.is_file()
    with pytest.raises(SpecError, match="a flicker is a GIF"):
        draw_sheet(tmp_path / "out", tmp_path / "sheet.png", flicker=tmp_path / "sheet.png")
    measured.make(tmp_path / "none", 1.0)
    with pytest.raises(ShardError, match=r"no source .* can be drawn"):
        draw_sheet(tmp_path / "none", tmp_path / "sheet.png")


def test_a_dry_run_says_that_a_gate_may_leave_some_out(measured: Measured, tmp_path: Path) -> None:
    options: dict[str, Any] = {**OPTIONS, "gate": 0.5, "workers": 1}
    said = predict(request(measured.tiles, tmp_path / "out", measured.weights, **options), Listener())
    assert "5 samples become at most 15 in" in said.sentence()
