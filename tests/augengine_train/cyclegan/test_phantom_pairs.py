"""The command behind `make phantom-weights`, at toy size, and the findings on fields whose markers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn

from augengine.errors import SourceError, SpecError
from augengine.stains import BUILT_IN
from augengine.weights.cards import DIRECTIONS, find_weights
from augengine_train.cyclegan.findings import Findings, KnownField, find_out
from augengine_train.cyclegan.fit import Effort, PairFit, train_pair
from augengine_train.cyclegan.phantom_pairs import LIMITS, Tissue, main
from augengine_train.data import Domain
from augengine_train.phantom import FieldSpec, draw_field

pytestmark = pytest.mark.e2e


def run(out: Path, *more: str) -> Result:
    size = ("--steps=2", "--width=4", "--blocks=1", "--crop=32", "--stain=cd68")
    tissue = ("--side=48", "--fields=8", "--patients=4")
    return CliRunner().invoke(main, [f"--out={out}", *size, *tissue, *more])


def test_it_draws_trains_measures_and_refuses_to_mix_trainings(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    assert "true markers: Dice" in done.output
    made = find_weights("pas", "cd68", [tmp_path / "weights"])
    assert {made.cards[direction].limits for direction in DIRECTIONS} == {LIMITS}
    assert made.mpp == 1.0
    found = json.loads((tmp_path / "cd68" / "findings.json").read_bytes())
    assert found["validation"]["sigmas"] == [0.01, 0.05, 0.2]
    assert set(found["verdict"]) == {"hides", "responds"}
    assert not found["verdict"]["hides"]  # after two steps
    assert [(each["step"], each["sigmas"]) for each in found["course"]] == [(2, [0.05, 0.2])]
    assert (tmp_path / "cd68" / "phantoms.png").is_file()

    refused = run(tmp_path)
    assert refused.exit_code == 2
    assert "holds a training already" in refused.output
    other = run(tmp_path, "--resume", "--fields=12")
    assert other.exit_code == 2
    assert "count 8 there, 12 wanted" in other.output


def test_nobody_is_both_trained_on_and_measured() -> None:
    tissue = Tissue(fields=20, side=64, mpp=1.0, patients=9, seed=3)
    trained, measured = tissue.series("cd68"), tissue.measured("cd68")
    people = [{series.spec(i).patient for i in range(series.count)} for series in (trained, measured)]
    assert (people[0], people[1]) == (set(range(9)), {9, 10})
    splits = {row.patient: row.split for row in tissue.split().rows}
    assert [splits[f"p{n:02d}"] for n in range(9)] == ["train"] * 7 + ["validation"] * 2


def test_the_two_stains_of_a_training_show_no_tissue_twice() -> None:
    tissue = Tissue(fields=20, side=64, mpp=1.0, patients=4, seed=3)
    seeds = [{series.spec(i).anatomy_seed for i in range(20)} for series in map(tissue.series, ("pas", "cd68"))]  # type: ignore[arg-type]
    assert not seeds[0] & seeds[1]
    assert (
        tissue.series("cd68").spec(0).anatomy_seed
        != Tissue(fields=20, side=64, mpp=1.0, patients=4, seed=4).series("pas").spec(0).anatomy_seed
    )


def test_too_few_patients_to_split_are_refused() -> None:
    with pytest.raises(SpecError, match="4 patients or more"):
        Tissue(fields=20, side=64, mpp=1.0, patients=3, seed=0)


def known(count: int = 2, side: int = 96) -> list[KnownField]:
    specs = [FieldSpec(stain="cd68", side=side, anatomy_seed=seed, marker_seed=seed) for seed in range(count)]
    return [KnownField(image=field.image, markers=field.markers > 0) for field in map(draw_field, specs)]


def find(to_reference: nn.Module, from_reference: nn.Module) -> Findings:
    fields = known()
    return find_out(to_reference, from_reference, [field.image for field in fields], fields, BUILT_IN["cd68"])


class Blank(nn.Module):
    """White, whatever it is shown."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


def test_a_pair_that_changes_nothing_keeps_markers_and_haematoxylin() -> None:
    found = find(nn.Identity(), nn.Identity())
    assert found.ssim_cycled == pytest.approx(1.0)
    assert found.truth_cycled == found.truth_real
    assert found.truth_real is not None
    assert found.truth_real > 0.7
    assert found.hides
    assert list(found.ssim_noisy) == sorted(found.ssim_noisy, reverse=True)


def test_a_pair_that_forgets_everything_has_no_marker_left() -> None:
    found = find(Blank(), Blank())
    assert not found.hides
    assert not found.responds
    assert found.truth_cycled == 0.0
    assert found.ssim_cycled < 0.5


def test_findings_are_json_and_lines() -> None:
    found = find(nn.Identity(), nn.Identity())
    said = json.loads(json.dumps(found.to_json()))
    assert said["verdict"]["hides"] is True
    assert len(said["truth_noisy"]) == len(said["ssim_noisy"]) == 3
    assert any("at least 0.8: holds" in line for line in found.lines())


def test_nothing_to_measure_on_is_refused() -> None:
    with pytest.raises(SourceError, match="no field"):
        find_out(nn.Identity(), nn.Identity(), [np.zeros((64, 64, 3), np.uint8)], [], BUILT_IN["cd68"])


def test_domains_of_unknown_or_unequal_um_px_are_refused(tmp_path: Path) -> None:
    images = [field.image for field in known()]
    reference, own = (Domain.of_arrays(name, images, images) for name in ("pas", "cd68"))
    fit = PairFit(data={}, markers=0.0, limits=LIMITS)
    effort = Effort(steps=1, width=4, blocks=1, crop=32)
    with pytest.raises(SpecError, match="need one um/px, got None and None"):
        train_pair(fit, reference, own, tmp_path, effort)
