"""Calling `augengine probe` and `augengine preview`, by the library and by the command, and tiles to call them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.probing import ProbeRequest, SpecimenRequest
from tests.support.pictures import encode, stained

SIDE = 64
FEW = ("--sigmas", "0.05,0.3")


def asked(**changes: Any) -> ProbeRequest:
    return ProbeRequest(**{"specimen": SpecimenRequest(stain="cd68"), "out": Path("probe"), **changes})


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def options(tiles: Path, weights: Path, *more: object) -> list[object]:
    """Options of `probe` and `preview` alike, for tiles of CD68 at 0.5 um/px."""
    return ["--stain", "cd68", "--in", tiles, "--weights", weights, "--mpp", 0.5, *more]


def refused(result: Result, *words: str) -> None:
    """It left with 2 and said why in a line, and what to do next in another."""
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-2].startswith("error: ")
    assert result.stderr.splitlines()[-1].startswith("hint: ")
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiles with markers, a blank one and a broken one."""
    folder = tmp_path_factory.mktemp("tiles")
    for i in range(3):
        (folder / f"t{i}.png").write_bytes(encode(stained(SIDE, i)))
    (folder / "blank.png").write_bytes(encode(np.full((SIDE, SIDE, 3), 250, np.uint8)))
    (folder / "broken.png").write_bytes((folder / "t0.png").read_bytes()[:-200])
    return folder
