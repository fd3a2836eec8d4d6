"""A validation's numbers, on pairs whose numbers are known: they copy, forget, hide, or diverge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from torch import Tensor, nn

from augengine.engines.onnx_types import read_model
from augengine.errors import CheckpointError, SourceError, SpecError, TargetError, WeightsError
from augengine.export import run_onnx
from augengine.images import encode_image
from augengine.stains import BUILT_IN
from tests.pictures import stained, tissue
from tests.small_generator import write_small_pair
from train.data import Domain, Holdout, open_domain
from train.grid import sample_grid, write_grid
from train.judge import held_out_judge
from train.pairs import load_pair
from train.tiles import cut_tiles, to_input, translate
from train.validate import Validation, measure
from train.validate.__main__ import main
from train.validate.kid import kernel_distance, load_features

Pixels = NDArray[np.uint8]
CD68 = BUILT_IN["cd68"]
SIGMAS = (0.01, 0.05, 0.2)
SCALE = 0.02


class Hide(nn.Module):
    """Makes a picture grey and keeps what it was in differences too small for the eye."""

    def forward(self, x: Tensor) -> Tensor:
        return SCALE * x


class Find(nn.Module):
    """Reads what `Hide` has hidden."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x / SCALE, -1, 1)


class Forget(nn.Module):
    """White, whatever it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class Diverged(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.nan


class Means(nn.Module):
    """The mean and the deviation of each channel: features enough to tell colours apart."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.float() / 255
        return torch.cat([y.mean(dim=(2, 3)), y.std(dim=(2, 3))], dim=1)


def measured(there: nn.Module, back: nn.Module, **options: Any) -> Validation:
    values: dict[str, Any] = {"sigmas": SIGMAS} | options
    reference = [tissue(96, 96, seed=20 + i) for i in range(3)]
    return measure(there, back, reference, [stained(seed=i) for i in range(3)], CD68, **values)


def numbers(values: tuple[float | None, ...]) -> list[float]:
    found = [value for value in values if value is not None]
    assert len(found) == len(values)
    return found


# ---- known pairs


def test_a_pair_that_copies_is_perfect_and_hides_nothing() -> None:
    found = measured(nn.Identity(), nn.Identity())
    assert found.cycle_reference.rms == found.cycle_stain.l1 == 0
    assert (found.marker_dice, found.rim) == (1, 1)
    assert found.marker_area == found.marker_area_cycled > 0.02
    assert found.contrast_hidden == found.contrast_real
    assert found.contrast_real is not None
    assert found.contrast_real > 80


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
    assert Validation.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(SpecError):
        Validation.from_json({"stain": "cd68"})


# ---- tiles and grids


def test_tiles_cover_a_strip_in_nearly_equal_parts_that_divide_by_four() -> None:
    strip = tissue(500, 101)
    tiles = cut_tiles([strip], side=256)
    assert [tile.shape for tile in tiles] == [(248, 100, 3), (248, 100, 3)]
    assert (tiles[1] == strip[248:496, :100]).all()
    assert len(cut_tiles([tissue(96, 96, seed=i) for i in range(9)], count=4)) == 4


def test_too_narrow_a_strip_and_no_strip_are_refused() -> None:
    with pytest.raises(SourceError, match=r"20 x 64 px, at least 32"):
        cut_tiles([tissue(64, 20)])
    with pytest.raises(SourceError, match="no picture to measure on"):
        cut_tiles([])


def test_a_grid_shows_both_cycles(tmp_path: Path) -> None:
    a, b = [tissue(64, 64, seed=i) for i in range(3)], [stained(64, i) for i in range(2)]
    grid = sample_grid(nn.Identity(), Forget(), a, b, rows=2)
    assert grid.shape == (2 * 68 + 4, 6 * 68 + 8, 3)
    cells = [grid[4:68, x : x + 64] for x in (4, 72, 140, 212, 280, 348)]
    assert (cells[0] == a[0]).all()
    assert (cells[1] == 255).all()
    assert (cells[3] == b[0]).all()
    assert (cells[4] == b[0]).all()
    assert (cells[5] == 255).all()
    write_grid(tmp_path / "new" / "grid.png", grid)
    assert (tmp_path / "new" / "grid.png").read_bytes() == encode_image(grid, "png")
    with pytest.raises(TargetError, match="cannot write"):
        write_grid(tmp_path / "new" / "grid.png" / "below.png", grid)


# ---- KID


@pytest.fixture
def features(tmp_path: Path) -> Path:
    file = tmp_path / "features.pt"
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        torch.jit.script(Means()).save(str(file))  # type: ignore[no-untyped-call]
    return file


def test_kid_tells_colours_apart(features: Path) -> None:
    network = load_features(features, torch.device("cpu"))
    some, others = ([tissue(48, 64, seed=first + i) for i in range(8)] for first in (0, 10))
    brown = [stained(64, seed=10 + i, spots=20) for i in range(8)]
    alike, unlike = kernel_distance(some, others, network), kernel_distance(some, brown, network)
    assert alike is not None
    assert unlike is not None
    assert unlike > 3 * abs(alike)
    assert kernel_distance(some[:1], brown, network) is None


def test_kid_is_part_of_a_validation_if_there_is_a_network(features: Path) -> None:
    assert measured(Hide(), Find(), sigmas=()).kid_stain is None
    found = measured(nn.Identity(), nn.Identity(), sigmas=(), features=load_features(features, torch.device("cpu")))
    assert found.kid_stain is not None
    assert any(line.startswith("KID: pas") for line in found.lines())


def test_a_training_has_kid_in_every_validation_if_there_is_a_network(features: Path) -> None:
    pas, cd68 = [tissue(64, 64, seed=i) for i in range(2)], [stained(64, i) for i in range(2)]
    domains = Domain.of_arrays("pas", pas, pas), Domain.of_arrays("cd68", cd68, cd68)
    for network, measured_it in ((load_features(features, torch.device("cpu")), True), (None, False)):
        judge = held_out_judge(*domains, CD68, features=network)
        found = judge(nn.Identity(), nn.Identity(), 1)
        assert (found.numbers["kid_stain"] is not None) == measured_it


def test_what_is_no_feature_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no network")
    for file in (tmp_path / "text.pt", tmp_path / "missing.pt"):
        with pytest.raises(CheckpointError, match="cannot be read as a feature network"):
            load_features(file, torch.device("cpu"))
    with pytest.raises(CheckpointError, match="does not fit"):
        kernel_distance([tissue(48, 48)] * 2, [tissue(48, 48)] * 2, nn.Linear(3, 3))


# ---- the command


def test_stored_weights_are_the_networks_they_were(small_weights: Path) -> None:

    pair = load_pair("pas", "cd68", small_weights)
    tile = to_input(tissue(48, 64))
    expected = run_onnx(read_model(small_weights / "pas-cd68" / "to-reference.onnx"), tile[None])[0]
    assert np.abs(translate(pair.to_reference, tile, torch.device("cpu")) - expected).max() < 1e-5
    assert pair.mpp == 0.5
    with pytest.raises(WeightsError, match="no weights for pas-cd34"):
        load_pair("pas", "cd34", small_weights)


def arguments(folder: Path, *more: str) -> list[str]:
    (folder / "b").mkdir(exist_ok=True)
    (folder / "b" / "x.png").write_bytes(encode_image(np.hstack([stained()] * 2), "png"))
    (folder / "a.png").write_bytes(encode_image(tissue(96, 192), "png"))
    given = {"stain": "cd68", "data": folder / "b", "reference-data": folder / "a.png", "holdout": "0.4"}
    return [*(f"--{name}={value}" for name, value in given.items()), *more]


def test_the_command_measures_and_draws(tmp_path: Path) -> None:
    write_small_pair(tmp_path / "weights", identity=False)
    more = (f"--weights={tmp_path / 'weights'}", "--mpp=0.5", "--sigma=0.1", "--sigma=0.05")
    files = (f"--json={tmp_path / 'out' / 'v.json'}", f"--grid={tmp_path / 'out' / 'g.png'}")
    done = CliRunner().invoke(main, arguments(tmp_path, *more, *files))
    assert done.exit_code == 0, done.output
    assert "pas-cd68, 1 + 1 held-out tiles" in done.output
    assert "KID: not measured; it needs" in done.output
    found = Validation.from_json(json.loads((tmp_path / "out" / "v.json").read_text()))
    assert found.sigmas == (0.05, 0.1)
    assert (tmp_path / "out" / "g.png").is_file()


def test_everything_may_be_held_out(tmp_path: Path, small_weights: Path) -> None:
    more = (f"--weights={small_weights}", "--mpp=0.5", "--holdout=*", "--sigma=0.1")
    done = CliRunner().invoke(main, arguments(tmp_path, *more))
    assert done.exit_code == 0, done.output
    assert "pas-cd68, 1 + 1 held-out tiles" in done.output


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ((), "um/px of 1 of 1 pictures"),
        (("--mpp=0.5", "--holdout=0"), "no picture to measure on"),
        (("--mpp=0.5", "--stain=cd99"), "unknown stain"),
        (("--mpp=0.5", "--kid-features=none.pt"), "none.pt cannot be read"),
    ],
)
def test_the_command_says_what_is_wrong(
    tmp_path: Path, small_weights: Path, more: tuple[str, ...], reason: str
) -> None:
    done = CliRunner().invoke(main, arguments(tmp_path, f"--weights={small_weights}", *more))
    assert done.exit_code == 2
    assert reason in done.output
    assert "hint:" in done.output


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
