"""The command ``augengine train validate``: the tiles it measures on, the grid it draws, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from augengine.engines.onnx_types import read_model
from augengine.errors import SourceError, TargetError, WeightsError
from augengine.importing.export import run_onnx
from augengine.json_values import from_json
from augengine.measures.pair_verdict import PairVerdict
from augengine.pictures.encode import encode_image
from augengine.pictures.files import write_png
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.validate import Validation
from augengine_train.validate.__main__ import main
from augengine_train.validate.grid import sample_grid
from augengine_train.validate.tiles import cut_tiles, to_input, translate
from tests.support.known_networks import Forget
from tests.support.pictures import stained, tissue
from tests.support.small_generator import write_small_pair


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
    write_png(tmp_path / "new" / "grid.png", grid)
    assert (tmp_path / "new" / "grid.png").read_bytes() == encode_image(grid, "png")
    with pytest.raises(TargetError, match="cannot write"):
        write_png(tmp_path / "new" / "grid.png" / "below.png", grid)


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
    numbers = json.loads((tmp_path / "out" / "v.json").read_text())
    verdict = from_json(PairVerdict, numbers.pop("verdict"))
    assert verdict.lines(0.05)[0] in done.output
    assert from_json(Validation, numbers).sigmas == (0.05, 0.1)
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
