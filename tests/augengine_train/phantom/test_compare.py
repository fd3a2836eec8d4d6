"""Phantoms beside real tissue: colours, the number and sizes of markers, and the command that prints both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from augengine_train.data import open_domain
from augengine_train.phantom import FieldSpec, draw_field
from augengine_train.phantom.compare import REAL, Colours, Spots, main
from augengine_train.phantom.spec import PhantomStain


def draw(stain: PhantomStain, seed: int, *, side: int) -> NDArray[np.uint8]:
    spec = FieldSpec(stain=stain, side=side, anatomy_seed=seed, marker_seed=seed, patient=seed)
    return draw_field(spec).image


@pytest.mark.parametrize("stain", REAL)
def test_drawn_colours_are_within_a_factor_of_real_ones(shared_data: Path, stain: PhantomStain) -> None:
    name, mpp = REAL[stain]
    real = open_domain(str(shared_data / "hannover" / name), name=stain, mpp=mpp, target_mpp=0.5).images
    drawn = [draw(stain, seed, side=160) for seed in range(6)]
    of_real, of_drawn = Colours.of(real, stain), Colours.of(drawn, stain)
    ratio = np.array([of_drawn.mean, of_drawn.spread]) / [of_real.mean, of_real.spread]
    assert np.all((ratio > 0.5) & (ratio < 2.6)), ratio


@pytest.mark.parametrize(("stain", "larger"), [("cd34", 0.3), ("cd68", 0.6)])
def test_drawn_markers_are_about_as_many_as_large_and_as_dark_as_real_ones(
    shared_data: Path, stain: PhantomStain, larger: float
) -> None:
    name, mpp = REAL[stain]
    domain = open_domain(str(shared_data / "hannover" / name), name=stain, mpp=mpp, target_mpp=0.5)
    real = Spots.of(domain.images, stain)
    drawn = Spots.of([draw(stain, seed, side=400) for seed in range(6)], stain)
    assert drawn.per_mm2 == pytest.approx(real.per_mm2, rel=0.3)
    assert drawn.diameters_um == pytest.approx(real.diameters_um, rel=larger)
    assert drawn.widths_um[1] < 1.7 * real.widths_um[1]
    assert drawn.chromogen[1:] == pytest.approx(real.chromogen[1:], rel=0.3)  # the palest are drawn darker
    assert drawn.cover == pytest.approx(real.cover, rel=0.45)


def test_spots_are_counted_and_sized() -> None:
    """Rings of known size in the colour of CD34's markers, on pale tissue, and a line too thin to count."""
    y, x = np.mgrid[:200, :200]
    image = np.full((200, 200, 3), (225, 220, 232), dtype=np.uint8)
    for middle, radius in ((30, 8), (90, 12), (160, 16)):
        distance = np.hypot(y - 100, x - middle)
        image[(distance <= radius) & (distance > radius - 4)] = (150, 20, 60)
    image[10, :] = (150, 20, 60)
    found = Spots.of([image], "cd34")
    assert found.per_mm2 == pytest.approx(3 / 0.01)  # 200 px of 0.5 um
    assert found.diameters_um[1] == pytest.approx(12, abs=0.7)
    assert found.widths_um[1] == pytest.approx(12, abs=0.7)
    assert found.line().startswith("300 markers a mm2, ")
    assert found.cover == pytest.approx((np.array(image)[..., 1] == 20).mean(), abs=0.005)


def test_phantoms_are_shown_beside_real_tissue(shared_data: Path, tmp_path: Path) -> None:
    call = [f"--data={shared_data / 'hannover'}", f"--out={tmp_path / 'look.png'}", "--fields=2"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 12
    assert done.output.count("of the area; diameter ") == 4
    assert done.output.count("Dice with those that colour deconvolution finds 0.") == 2
    assert Image.open(tmp_path / "look.png").size == (3 * 496 + 16, 3 * 496 + 16)
