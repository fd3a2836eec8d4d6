"""The tiles that are probed: which are left out, cropped or refused, and at what um/px."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from augengine.compiling import Tile
from augengine.compiling.tissue_tiles import to_inputs, why_left_out
from augengine.errors import SpecError
from augengine.measures import structure
from augengine.measures.verdict import DEFAULT_RULE
from augengine.pictures.encode import encode_mask
from augengine.probing import SpecimenRequest
from augengine.probing.reference import reference_tiles
from augengine.probing.specimen import open_specimen
from augengine.stains import BUILT_IN
from benchmarks.halved_tiles import halve
from tests.support.pictures import decode, encode, stained, tissue
from tests.support.probes import FEW, call, options, refused
from tests.support.probes import tiles as tiles


def test_a_tile_without_tissue_or_of_one_colour_is_left_out_and_one_without_markers_is_not() -> None:
    for pixels, reason in (
        (np.full((64, 64, 3), (140, 60, 120), np.uint8), "of one colour"),
        (np.random.default_rng(0).integers(240, 256, (64, 64, 3)).astype(np.uint8), "0.0% of the tile is tissue"),
        (tissue(64, 64), ""),
        (stained(64), ""),
    ):
        found = why_left_out(pixels)
        assert reason in found
        assert bool(reason) == bool(found)


@pytest.mark.parametrize("changes", [{"tiles": 0}, {"size": 8}, {"mpp": 0.0}])
def test_a_request_for_a_specimen_checks_itself(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        SpecimenRequest(**{"stain": "cd68", **changes})  # type: ignore[arg-type]


@pytest.mark.e2e
def test_masks_are_found_in_a_folder_of_their_own_or_by_their_suffix(tiles: Path, copies: Path, tmp_path: Path) -> None:
    mask = encode_mask(np.ones((64, 64), np.uint8))
    shutil.copytree(tiles, tmp_path / "beside")
    (tmp_path / "beside" / "t0_seg.png").write_bytes(mask)
    (tmp_path / "apart").mkdir()
    for name in ("t0", "t1", "t2", "blank", "broken"):
        (tmp_path / "apart" / f"{name}.png").write_bytes(mask)
    for source, said in (
        (tmp_path / "beside", {"mask_suffix": "_seg"}),
        (tiles, {"masks": str(tmp_path / "apart")}),
    ):
        request = SpecimenRequest(stain="cd68", source=str(source), weights=copies, mpp=0.5, **said)  # type: ignore[arg-type]
        with open_specimen(request, note=print, warn=print) as specimen:
            masked = {tile.key for tile in specimen.tiles if tile.mask is not None}
        assert masked == ({"t0"} if "mask_suffix" in said else {"t0", "t1", "t2"})


@pytest.mark.e2e
def test_um_px_are_warned_of_where_unknown_and_may_be_anything_where_allowed(tiles: Path, copies: Path) -> None:
    warned: list[str] = []
    for changes in ({"mpp": None}, {"mpp": 0.25, "allow_mpp": True}):
        request = SpecimenRequest(**{"stain": "cd68", "source": str(tiles), "weights": copies, **changes})  # type: ignore[arg-type]
        with open_specimen(request, note=print, warn=warned.append):
            pass
    assert len(warned) == 1
    assert "the um/px of the source are unknown" in warned[0]


@pytest.mark.e2e
def test_reference_tiles_are_never_mirrored_to_a_larger_size(copies: Path, tmp_path: Path) -> None:
    for name, sides in (("own", (96,)), ("pas", (80, 64)), ("small", (80, 50))):
        (tmp_path / name).mkdir()
        for i, side in enumerate(sides):
            (tmp_path / name / f"t{i}.png").write_bytes(encode(stained(side, i)))
    request = SpecimenRequest(stain="cd68", source=str(tmp_path / "own"), weights=copies, mpp=0.5)
    with open_specimen(request, note=print, warn=print) as seen:
        found = reference_tiles(str(tmp_path / "pas"), seen, request)
    assert [tile.shape for tile in found] == [(3, 64, 64)] * 2
    own = options(tmp_path / "own", copies, *FEW, "--out", tmp_path / "probe")
    result = call("probe", *own, "--reference-in", tmp_path / "pas")
    assert result.exit_code == 1, result.output  # a pair that copies hardly responds
    refused(call("probe", *own, "--reference-in", tmp_path / "small"), "50 x 50 px", "leave out those below 64 px")


@pytest.mark.e2e
def test_larger_tiles_are_cropped_to_one_size(copies: Path, tmp_path: Path) -> None:
    for i, side in enumerate((96, 150)):
        (tmp_path / f"t{i}.png").write_bytes(encode(stained(side, i)))
    request = SpecimenRequest(stain="cd68", source=str(tmp_path), weights=copies, mpp=0.5, size=50)
    with open_specimen(request, note=print, warn=print) as seen:
        assert [image.shape for image in seen.images] == [(52, 52, 3)] * 2
        assert (seen.images[0] == stained(96, 0)[22:74, 22:74]).all()


def test_inputs_are_the_tiles_in_the_generators_range() -> None:
    (x,) = to_inputs([Tile(key="t", image_hwc=stained(32))])
    assert x.shape == (3, 32, 32)
    assert -1 <= x.min() < x.max() <= 1


@pytest.mark.e2e
def test_tiles_of_one_real_field_have_less_structure_in_common_than_a_reconstruction_needs(
    shared_data: Path, tmp_path: Path
) -> None:
    files = halve(str(shared_data / "hannover/fields_40x/cd34.png"), tmp_path)
    tiles = [decode(file.read_bytes()) for file in files]
    assert structure(tiles, tiles[1:] + tiles[:1], BUILT_IN["cd34"]) < 0.1 < DEFAULT_RULE.least_structure
