"""The committed generators on real kidney: files as they are, and a field that the test halves and cuts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augengine.dataset import AugmentRequest, augment, replay
from augengine.shards.verify import verify
from tests.support.datasets import Listener, keys, members
from tests.support.pictures import decode

pytestmark = pytest.mark.e2e


def test_cd68_glomeruli_become_variants_that_look_like_them(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "hannover" / "cd68_glomeruli_20x"
    out = tmp_path / "out"
    said = AugmentRequest(stain="cd68", eps=0.05, source=str(source), out=out, mpp=0.5, include_source=True, workers=1)
    assert augment(said, Listener()).complete()
    assert verify(out).ok
    assert len(keys(out)) == 6
    found = members(out)
    for key in (key for key in keys(out) if key.endswith("-v0001")):
        variant, own = (decode(found[f"{name}.png"]) for name in (key, key.replace("-v0001", "-v0000")))
        assert variant.shape == own.shape == (512, 512, 3)
        assert _structure(variant, own) > 0.8
    assert replay(out, keys(out)[1]).same


def test_a_cd34_field_halved_and_cut_goes_through_with_its_masks(shared_data: Path, tmp_path: Path) -> None:
    tiles = _halved_tiles(shared_data / "hannover" / "fields_40x" / "cd34.png", tmp_path / "in")
    out = tmp_path / "out"
    said = AugmentRequest(stain="cd34", eps=0.05, source=str(tiles), out=out, mpp=0.5, variants=2, workers=1)
    summary = augment(said, Listener())
    assert summary.complete()
    assert (summary.samples_out, verify(out).ok) == (8, True)
    found = members(out)
    masks = {name: data for name, data in found.items() if name.endswith(".seg.png")}
    assert all(data == (tiles / f"{name[:7]}_mask.png").read_bytes() for name, data in masks.items())
    assert len(masks) == 8
    first, second = (decode(found[f"cd34_00-v000{k}.png"]).astype(float) for k in (1, 2))
    assert 0.3 < np.abs(first - second).mean() < 12  # they differ, as two draws of noise, not as two tissues


def test_a_folder_of_several_stains_is_refused_by_its_size(shared_data: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(shared_data / "hannover" / "fields_40x", tmp_path / "in")
    said = AugmentRequest(stain="cd68", eps=0.05, source=str(copied), out=tmp_path / "out", mpp=0.5, max_side=512)
    with pytest.raises(Exception, match="11 of 11 images are larger than 512 px"):
        augment(said, Listener())


def _halved_tiles(field: Path, folder: Path) -> Path:
    """Four 248 px tiles of the field at twice its um/px, with a mask each of where it is dark."""
    folder.mkdir()
    with Image.open(field) as picture:
        halved = picture.convert("RGB").resize((500, 500), Image.Resampling.BOX)
    for i, (left, top) in enumerate([(0, 0), (250, 0), (0, 250), (250, 250)]):
        tile = halved.crop((left, top, left + 248, top + 248))
        tile.save(folder / f"cd34_{i:02d}.png")
        dark = np.asarray(tile.convert("L")) < 128
        Image.fromarray(dark.astype(np.uint8)).save(folder / f"cd34_{i:02d}_mask.png")
    return folder


def _structure(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two images' brightness at a quarter of their size: whether the tissue is the same."""
    first, second = (
        np.asarray(Image.fromarray(image).convert("L").resize((128, 128), Image.Resampling.BOX)).ravel()
        for image in (one, other)
    )
    return float(np.corrcoef(first, second)[0, 1])
