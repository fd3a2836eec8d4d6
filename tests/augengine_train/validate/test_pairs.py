"""A validation's numbers, on pairs whose numbers are known: they copy, forget, hide, or diverge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError, SpecError
from augengine.json_values import from_json, to_json
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Holdout, open_domain
from augengine_train.validate import Validation, measure
from augengine_train.validate.tiles import to_input
from tests.support.known_networks import CD68, SIGMAS, Find, Forget, Hide, measured
from tests.support.pictures import stained


class Diverged(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.nan


def numbers(values: tuple[float | None, ...]) -> list[float]:
    found = [value for value in values if value is not None]
    assert len(found) == len(values)
    return found


def test_a_pair_that_copies_is_perfect_and_hides_nothing() -> None:
    found = measured(nn.Identity(), nn.Identity())
    assert found.cycle_reference.rms == found.cycle_stain.l1 == 0
    assert (found.marker_dice, found.rim) == (1, 1)
    assert found.marker_area == found.marker_area_cycled > 0.02
    assert found.contrast_hidden == found.contrast_real
    assert found.contrast_real is not None
    assert found.contrast_real > 80


def test_small_markers_are_counted_that_noise_moves_or_makes() -> None:
    copied = measured(nn.Identity(), nn.Identity(), sigmas=(0.001,))
    assert copied.objects[0].before > 0
    assert (copied.objects[0].lost, copied.objects[0].new) == (0, 0)
    hidden = measured(Hide(), Find(), sigmas=(0.001, 0.02))
    assert (hidden.objects[0].lost, hidden.objects[1].before) == (0, copied.objects[0].before)
    assert hidden.objects[1].new > 0
    assert f"small markers kept {hidden.objects[1].kept}, lost" in "\n".join(hidden.lines())


def test_a_copy_responds_to_noise_with_that_noise() -> None:
    found = measured(nn.Identity(), nn.Identity())
    assert found.response == pytest.approx(SIGMAS, rel=0.02)


def test_a_pair_that_hides_its_markers_finds_them_until_noise_wipes_them() -> None:
    found = measured(Hide(), Find(), sigmas=(0.001, 0.005, 0.02))
    assert found.marker_dice == 1
    assert found.contrast_hidden is not None
    assert found.contrast_hidden < 4, "grey levels"
    agreement, faithful = numbers(found.agreement), numbers(found.faithful)
    assert agreement == sorted(agreement, reverse=True)
    assert agreement[-1] < 0.8
    assert faithful[-1] < 0.3 < 0.9 < faithful[0]
    assert list(found.response) == sorted(found.response)


def test_a_pair_that_forgets_markers_has_none_in_its_reconstruction() -> None:
    found = measured(nn.Identity(), Forget())
    assert (found.marker_dice, found.marker_area_cycled, found.marker_area_translated) == (0, 0, 0)
    assert set(found.agreement) == {None}
    assert max(found.response) == 0
    white = 1 - np.stack([to_input(stained(seed=i)) for i in range(3)])
    assert found.cycle_stain.l1 == pytest.approx(np.abs(white).mean(), rel=1e-6)
    assert found.cycle_stain.rms == pytest.approx(np.sqrt((white.astype(np.float64) ** 2).mean()), rel=1e-6)


def test_tissue_without_markers_has_no_dice() -> None:
    blank = [np.full((64, 64, 3), 230, np.uint8)]
    found = measure(nn.Identity(), nn.Identity(), blank, blank, CD68, sigmas=())
    assert (found.marker_dice, found.contrast_real, found.marker_area) == (None, None, 0)


class Rim(nn.Module):
    """Copies, but spoils 4 px along the borders."""

    def forward(self, x: Tensor) -> Tensor:
        inside = nn.functional.pad(torch.ones_like(x)[..., 4:-4, 4:-4], (4, 4, 4, 4))
        return x * (0.9 + 0.09 * inside)


def test_a_spoiled_border_shows() -> None:
    assert measured(nn.Identity(), Rim(), sigmas=()).rim > 3


def test_the_numbers_depend_on_the_seed_of_the_noise_alone() -> None:
    first, again, other = (measured(Hide(), Find(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.response != other.response
    assert first.marker_dice == other.marker_dice


def test_a_diverged_pair_is_refused() -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        measured(Diverged(), nn.Identity())


@pytest.mark.parametrize("sigmas", [(0.1, 0.05), (0.0,), (3.0,), (0.1, 0.1)])
def test_senseless_sigmas_are_refused(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="ascending"):
        measured(nn.Identity(), nn.Identity(), sigmas=sigmas)


def test_a_validation_survives_json() -> None:
    found = measured(Hide(), Find())
    assert from_json(Validation, json.loads(json.dumps(to_json(found)))) == found
    with pytest.raises(SpecError):
        from_json(Validation, {"stain": "cd68"})


@pytest.mark.e2e
def test_the_committed_cd68_pair_hides_macrophages_in_real_tissue(shared_data: Path) -> None:
    pair = load_pair("pas", "cd68")
    data = shared_data / "hannover"
    held_out = Holdout(strip=0.25)
    pas = open_domain(str(data / "fields_40x/pas.png"), name="pas", mpp=0.25, target_mpp=0.5, holdout=held_out)
    cd68 = open_domain(str(data / "cd68_glomeruli_20x"), name="cd68", mpp=0.5, target_mpp=0.5, holdout=held_out)
    found = measure(
        pair.to_reference, pair.from_reference, pas.held_out, cd68.held_out, CD68, sigmas=(0.02, 0.3), side=128, tiles=4
    )
    agreement = numbers(found.agreement)
    assert agreement[0] > agreement[1]
    assert found.marker_dice is not None
    assert found.marker_dice > 0.75
    assert found.contrast_hidden is not None
    assert found.contrast_real is not None
    assert found.contrast_hidden < found.contrast_real
    assert found.cycle_stain.l1 < 0.15
