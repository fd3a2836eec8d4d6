"""Pictures to train on: read from folders and tars, brought to one um/px, and named if they are damaged."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from augengine.errors import SourceError
from augengine.pictures.markers import derive_threshold, marker_mask
from augengine.pictures.resample import resample, resampled_size
from augengine.stains import BUILT_IN
from augengine_train.data import Holdout, open_domain
from tests.support.drawn_domains import write
from tests.support.pictures import encode, tissue


def write_tar(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_a_field_a_folder_and_shards_give_the_same_pictures(tmp_path: Path) -> None:
    folder = write(tmp_path / "fields", a=(40, 60), b=(50, 44))
    members = {f"{name}.{ext}": data for name in "ab" for ext, data in _both(folder, name).items()}
    write_tar(tmp_path / "s.tar", members)
    from_folder = open_domain(str(folder), name="pas")
    from_tar = open_domain(str(tmp_path / "s.tar"), name="pas")
    field = open_domain(str(folder / "a.png"), name="pas")
    assert from_folder.sizes == from_tar.sizes == ((40, 60), (50, 44))
    for one, other, seed in zip(from_folder.images, from_tar.images, (0, 1), strict=True):
        assert (one == other).all()
        assert (one == tissue(one.shape[0], one.shape[1], seed=seed)).all()
    assert (field.images[0] == from_folder.images[0]).all()


def _both(folder: Path, name: str) -> dict[str, bytes]:
    # The json comes first: the image is known by its extension, not by its place.
    return {"json": b'{"mpp": 0.5}', "png": (folder / f"{name}.png").read_bytes()}


def test_a_tars_json_says_the_um_per_px(tmp_path: Path) -> None:
    folder = write(tmp_path / "fields", a=(40, 60))
    tar = write_tar(tmp_path / "s.tar", {f"a.{ext}": data for ext, data in _both(folder, "a").items()})
    assert open_domain(str(tar), name="pas", target_mpp=1.0).sizes == ((20, 30),)


def test_pictures_of_mixed_um_per_px_come_to_the_same_scale(tmp_path: Path) -> None:
    folder = write(tmp_path, fine=(80, 80), coarse=(40, 40))
    (folder / "fine.json").write_text(json.dumps({"mpp": 0.25}))
    (folder / "coarse.json").write_text(json.dumps({"mpp": 0.5}))
    assert open_domain(str(folder), name="pas", target_mpp=0.5).sizes == ((40, 40), (40, 40))
    with pytest.raises(SourceError, match=r"several um/px: \[0.25, 0.5\]"):
        open_domain(str(folder), name="pas")


def test_the_flag_speaks_for_pictures_without_a_json(tmp_path: Path) -> None:
    folder = write(tmp_path, fine=(80, 80), coarse=(40, 40))
    (folder / "coarse.json").write_text(json.dumps({"mpp": 0.5}))
    found = open_domain(str(folder), name="pas", mpp=0.25, target_mpp=0.5)
    assert (found.sizes, found.mpp) == (((40, 40), (40, 40)), 0.5)
    with pytest.raises(SourceError, match=r"um/px of 1 of 2 pictures .* unknown, 0.5 are wanted: fine.png"):
        open_domain(str(folder), name="pas", target_mpp=0.5)


def test_halving_is_the_mean_of_each_block() -> None:
    picture = tissue(41, 60)
    means = picture[:40].reshape(20, 2, 30, 2, 3).astype(float).mean(axis=(1, 3))
    half = resample(picture, 0.5)
    assert half.shape == (20, 30, 3)
    assert np.abs(half - means).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("factor", [0.8, 0.62, 0.37])
def test_resampling_keeps_things_where_they_are(factor: float) -> None:
    y, x = np.mgrid[:200, :300]
    ramp = np.stack([x * 0.8, y * 1.2, np.zeros_like(x)], axis=2).astype(np.uint8)
    small = resample(ramp, factor)
    height, width = resampled_size((200, 300), factor)
    expected_x = ((np.arange(width) + 0.5) / factor - 0.5) * 0.8
    assert small.shape == (height, width, 3)
    assert np.abs(small[height // 2, 5:-5, 0] - expected_x[5:-5]).max() <= 1.5


def test_a_coarse_picture_is_not_enlarged(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40))
    with pytest.raises(SourceError, match=r"a.png has 1.0 um/px and would be enlarged to 0.5"):
        open_domain(str(tmp_path), name="pas", mpp=1.0, target_mpp=0.5)


def test_a_scale_within_one_percent_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40))
    found = open_domain(str(tmp_path), name="pas", mpp=0.499, target_mpp=0.5)
    assert (found.images[0] == tissue(40, 40)).all()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (encode(tissue(40, 40), mode="L"), "greyscale"),
        (encode(tissue(40, 40), mode="RGBA"), "alpha"),
        (b"no picture at all", "truncated or no picture"),
    ],
)
def test_what_is_no_rgb_picture_is_named(tmp_path: Path, bad: bytes, reason: str) -> None:
    write(tmp_path, good=(40, 40))
    (tmp_path / "bad.png").write_bytes(bad)
    with pytest.raises(SourceError, match=f"cannot be trained on: bad.png: .*{reason}"):
        open_domain(str(tmp_path), name="pas")


def test_16_bit_is_named(tmp_path: Path) -> None:
    write(tmp_path, good=(40, 40))
    assert cv2.imwrite(str(tmp_path / "deep.png"), tissue(40, 40).astype(np.uint16) * 257)
    with pytest.raises(SourceError, match=r"deep.png: the image is uint16"):
        open_domain(str(tmp_path), name="pas")


def test_a_picture_damaged_in_its_middle_is_named_when_it_is_decoded(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40))
    whole = encode(tissue(200, 200))
    middle = len(whole) // 2
    (tmp_path / "cut.png").write_bytes(whole[:middle] + bytes(500) + whole[middle + 500 :])
    found = open_domain(str(tmp_path), name="pas")
    with pytest.raises(SourceError, match=r"cut.png .*damaged or truncated"):
        list(found.images)


def test_all_pictures_that_are_damaged_behind_their_headers_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40))
    whole = encode(tissue(200, 200))
    middle = len(whole) // 2
    for name in ("cut", "torn"):
        (tmp_path / f"{name}.png").write_bytes(whole[:middle] + bytes(500) + whole[middle + 500 :])
    with pytest.raises(SourceError, match=r"cannot be trained on: cut.png.*damaged or truncated.*; torn.png"):
        open_domain(str(tmp_path), name="pas", check_pixels=True)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no"):
        open_domain(str(tmp_path / "nothing"), name="pas")


def test_pictures_beyond_the_budget_are_decoded_again_to_the_same_pixels(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40), b=(40, 40), c=(40, 40))
    tight = open_domain(str(tmp_path), name="pas", budget=2 * 40 * 40 * 3)
    roomy = open_domain(str(tmp_path), name="pas")
    first = [tight.images[i] for i in range(3)]
    assert all((tight.images[i] == roomy.images[i]).all() for i in (0, 1, 2, 0))
    assert roomy.images[1].base is roomy.images[1].base
    assert tight.images[0].base is not first[0].base, "the first of three was kept beyond a budget of two"
    assert not first[0].flags.writeable


@pytest.mark.e2e
def test_real_fields_halve_to_the_scale_of_the_generators(shared_data: Path) -> None:
    field = open_domain(
        str(shared_data / "hannover/fields_40x/cd34.png"),
        name="cd34",
        mpp=0.25,
        target_mpp=0.5,
        holdout=Holdout(strip=0.2),
    )
    assert field.sizes == ((500, 400),)
    with Image.open(shared_data / "hannover/fields_40x/cd34.png") as whole:
        expected = np.asarray(whole.convert("RGB").reduce(2))
    assert (field.held_out[0] == expected[:, 400:]).all()
    threshold = derive_threshold(field.images, BUILT_IN["cd34"])
    share = marker_mask(field.images[0], BUILT_IN["cd34"], threshold).mean()
    assert 0.05 < share < 0.2
