"""Pictures of another laboratory take the colours of a target and are cut into tiles of tissue."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.errors import SourceError
from augengine.pictures.encode import encode_image
from augengine_train.data.matched_tiles import SIDE, kept_names, write_matched_tiles
from augengine_train.data.matching import Look, match_look
from augengine_train.phantom import Series, draw_field
from tests.support.pictures import decode


def pas(number: int, side: int = 256) -> NDArray[np.uint8]:
    """Drawn tissue in PAS, each number of another patient."""
    return draw_field(Series(stain="pas", count=8, side=side, patients=8).spec(number)).image


def half_glass(number: int, side: int = 256) -> NDArray[np.uint8]:
    """Tissue on the left, glass on the right."""
    picture = pas(number, side).copy()
    picture[:, side // 2 :] = (246, 244, 240)
    return picture


def pinker(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same as another scanner might show it."""
    pink: NDArray[np.uint8] = np.clip(picture * np.array([1.0, 0.9, 0.97]) + (0, 12, 0), 0, 255).astype(np.uint8)
    return pink


def test_a_matched_picture_has_the_targets_look() -> None:
    target, other = half_glass(1), pinker(half_glass(2))
    wanted = Look.of(target)
    found = Look.of(match_look(other, wanted))
    np.testing.assert_allclose(found.tissue, wanted.tissue, atol=2.0)
    np.testing.assert_allclose(found.glass, wanted.glass, atol=2.0)


def test_a_picture_matched_to_itself_stays_as_it_is() -> None:
    picture = half_glass(3)
    assert np.abs(match_look(picture, Look.of(picture)).astype(int) - picture).max() <= 2


def test_glass_takes_the_colour_of_the_targets_glass() -> None:
    target = half_glass(1)
    matched = match_look(pinker(half_glass(2)), Look.of(target))
    np.testing.assert_allclose(matched[:, 160:].mean(axis=(0, 1)), target[:, 160:].mean(axis=(0, 1)), atol=8)


def test_a_blank_picture_has_no_look() -> None:
    with pytest.raises(SourceError, match="no tissue"):
        Look.of(np.full((64, 64, 3), 244, np.uint8))


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """A whole field, one that is mostly glass, and one that no training may see."""
    folder = tmp_path / "fields"
    folder.mkdir()
    pictures = {"whole": np.concatenate([pas(1, SIDE), pas(2, SIDE)], axis=1), "left_out": pas(3, SIDE)}
    pictures["glass"] = np.full((SIDE, SIDE, 3), 244, np.uint8)
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(encode_image(picture, "png"))
    return folder


def test_tiles_of_tissue_are_written_with_their_scale(fields: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = write_matched_tiles(fields, half_glass(5), out, mpp=0.5, left_out=["left_out"])
    assert names == ["whole_y0000_x0000", f"whole_y0000_x{SIDE:04d}"]
    assert sorted(file.stem for file in out.glob("*.png")) == names
    for name in names:
        assert decode((out / f"{name}.png").read_bytes()).shape == (SIDE, SIDE, 3)
        assert json.loads((out / f"{name}.json").read_text()) == {"mpp": 0.5}


def test_a_folder_of_glass_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_image(np.full((SIDE, SIDE, 3), 244, np.uint8), "png"))
    with pytest.raises(SourceError, match="45% tissue"):
        write_matched_tiles(tmp_path, half_glass(5), tmp_path / "out", mpp=0.5)


def test_a_name_to_leave_out_that_no_picture_has_is_refused() -> None:
    assert kept_names(["a.png", "b1.png", "b2.png"], ["b*"]) == ["a.png"]
    with pytest.raises(SourceError, match="no picture is called c"):
        kept_names(["a.png"], ["c"])
