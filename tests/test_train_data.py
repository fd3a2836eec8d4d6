"""What a training reads: pictures at one um/px, splits without leaks, and crops that depend on their number alone."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from augengine.errors import SourceError, SpecError
from augengine.markers import derive_threshold, marker_mask
from augengine.resample import resample, resampled_size
from augengine.stains import BUILT_IN
from tests.pictures import encode, spotted, tissue
from train.data import Domain, Holdout, MarkerPreference, Patients, UnpairedCrops, open_domain
from train.data.crops import summary
from train.data.decoding import PlaceReader
from train.data.places import Place
from train.tiles import cut_tiles

Pixels = NDArray[np.uint8]


def write(folder: Path, **sizes: tuple[int, int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(sizes.items()):
        (folder / f"{name}.png").write_bytes(encode(tissue(*size, seed=seed)))
    return folder


def write_tar(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def domain(name: str = "pas", seed: int = 0, side: int = 64) -> Domain:
    return Domain.of_arrays(name, [tissue(side, side, seed=seed + i) for i in range(2)])


def crops(**options: Any) -> UnpairedCrops:
    values: dict[str, Any] = {"crop": 32, "seed": 7, "steps": 20} | options
    sides = values.pop("reference", domain()), values.pop("stain", domain("cd68", 10))
    return UnpairedCrops(*sides, **values)


def is_within(crop: torch.Tensor, image: Pixels) -> bool:
    """Whether a float crop, in one of its eight orientations, is a part of an image."""
    small = np.rint((crop.numpy().transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(image, small.shape).reshape(-1, *small.shape)
    ways = [np.rot90(flipped, turns) for flipped in (small, small[:, ::-1]) for turns in range(4)]
    return any(bool((windows == way).all(axis=(1, 2, 3)).any()) for way in ways)


# ---- sources


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


# ---- bad input


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


def test_a_card_tells_other_pixels_and_other_splits_apart(tmp_path: Path) -> None:
    write(tmp_path, p1=(40, 40), p2=(40, 40))

    def told(held_out: str) -> dict[str, object]:
        return dict(summary(open_domain(str(tmp_path), name="pas", holdout=Holdout.parse(held_out))))

    first, other = told("p1*"), told("p2*")
    assert first == told("p1*")
    assert {name for name in first if first[name] != other[name]} == {"digest", "held_out_digest"}
    (tmp_path / "p1.png").write_bytes(encode(tissue(40, 40, seed=9)))
    changed = told("p1*")
    assert {name for name in first if first[name] != changed[name]} == {"held_out_digest"}


def test_a_few_tiles_of_many_pictures_decode_those_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, **{f"p{i}": (40, 40) for i in range(9)})
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("*"))
    decoded: list[str] = []
    image = PlaceReader.image

    def counted(self: PlaceReader, place: Place) -> Pixels:
        decoded.append(place.name)
        return image(self, place)

    monkeypatch.setattr(PlaceReader, "image", counted)
    assert len(cut_tiles(found.held_out, count=2)) == 2
    assert decoded == ["p0.png", "p4.png"]


def test_too_narrow_a_strip_is_named_with_its_picture(tmp_path: Path) -> None:
    write(tmp_path, wide=(64, 200), narrow=(64, 60))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout(strip=0.3))
    with pytest.raises(SourceError, match=r"held out of picture narrow.png is 18 x 64 px, at least 32"):
        cut_tiles(found.held_out)


def test_pictures_smaller_than_the_crop_are_named() -> None:
    small = Domain.of_arrays("pas", [tissue(64, 64), tissue(64, 24), tissue(64, 64)])
    with pytest.raises(SourceError, match="1 of 3 pictures of pas are smaller than the crop of 32 px: 1 with 24 x 64"):
        crops(reference=small)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(SourceError, match=r"too few pictures: the 1 of pas hold 1.0 crops of 32 px"):
        crops(reference=Domain.of_arrays("pas", [tissue(32, 32)]))
    with pytest.raises(SourceError, match="too few pictures: the 0 of pas"):
        crops(reference=Domain.of_arrays("pas", []))


@pytest.mark.parametrize("crop", [0, 30, -4])
def test_a_crop_divides_by_four(crop: int) -> None:
    with pytest.raises(SpecError, match="divide by 4"):
        crops(crop=crop)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no"):
        open_domain(str(tmp_path / "nothing"), name="pas")


# ---- splits


def test_the_strip_is_the_right_side_and_is_not_trained_on(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 100))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("0.2"))
    assert (found.images[0] == tissue(40, 100)[:, :80]).all()
    assert (found.held_out[0] == tissue(40, 100)[:, 80:]).all()


def test_files_are_held_out_whole(tmp_path: Path) -> None:
    write(tmp_path, p1_a=(40, 40), p1_b=(40, 44), p2_a=(40, 48))
    found = open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("p1_*"))
    assert [picture.shape[1] for picture in found.held_out] == [40, 44]
    assert found.sizes == ((40, 48),)
    with pytest.raises(SourceError, match=r"no picture of .* is called p9\.png"):
        open_domain(str(tmp_path), name="pas", holdout=Holdout.parse("p9.png"))


@pytest.mark.parametrize("text", ["0.9", "-0.1", "nan", " , "])
def test_a_senseless_holdout_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        Holdout.parse(text)


def _patients(folder: Path, *rows: str) -> Path:
    file = folder / "patients.csv"
    file.write_text("\n".join(["file,patient,split", *rows]) + "\n")
    return file


def test_patients_say_what_is_held_out(tmp_path: Path) -> None:
    write(tmp_path / "tiles", p1_a=(40, 40), p2_a=(40, 44), p3_a=(40, 48))
    table = _patients(tmp_path, "p1_*,anna,train", "p2_*,berta,validation", "p3_*,carl,test")
    found = open_domain(str(tmp_path / "tiles"), name="pas", patients=table)
    assert (found.sizes, [p.shape[1] for p in found.held_out]) == (((40, 40),), [44])
    with pytest.raises(SpecError, match="already say what is held out"):
        open_domain(str(tmp_path / "tiles"), name="pas", patients=table, holdout=Holdout(strip=0.2))


def test_a_patient_is_in_one_split_only(tmp_path: Path) -> None:
    table = _patients(tmp_path, "p1_a.png,anna,train", "p1_b.png,anna,validation")
    with pytest.raises(SourceError, match="anna is in two splits, train and validation"):
        Patients.read(table)


def test_a_patient_is_in_one_split_over_both_domains() -> None:
    trained = Domain(name="pas", images=domain().images, patients={"anna": "train"})
    measured = Domain(name="cd68", images=domain().images, patients={"anna": "validation", "berta": "train"})
    with pytest.raises(SourceError, match="anna is in two splits"):
        crops(reference=trained, stain=measured)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["p1_*,anna,train"], "p2_a.png of .* matches 0 patients"),
        (["*,anna,train", "p2_*,berta,train"], "matches 2 patients: anna, berta"),
        (["*,anna,trian"], "line 2 of .* says .*'trian'"),
        (["*,,train"], "line 2"),
    ],
)
def test_every_picture_has_one_patient(tmp_path: Path, rows: list[str], reason: str) -> None:
    write(tmp_path / "tiles", p1_a=(40, 40), p2_a=(40, 44))
    with pytest.raises(SourceError, match=reason):
        open_domain(str(tmp_path / "tiles"), name="pas", patients=_patients(tmp_path, *rows))


# ---- memory


def test_pictures_beyond_the_budget_are_decoded_again_to_the_same_pixels(tmp_path: Path) -> None:
    write(tmp_path, a=(40, 40), b=(40, 40), c=(40, 40))
    tight = open_domain(str(tmp_path), name="pas", budget=2 * 40 * 40 * 3)
    roomy = open_domain(str(tmp_path), name="pas")
    first = [tight.images[i] for i in range(3)]
    assert all((tight.images[i] == roomy.images[i]).all() for i in (0, 1, 2, 0))
    assert roomy.images[1].base is roomy.images[1].base
    assert tight.images[0].base is not first[0].base, "the first of three was kept beyond a budget of two"
    assert not first[0].flags.writeable


# ---- crops


def test_an_item_depends_on_seed_and_number_alone() -> None:
    once, again = crops(), crops(steps=500, batch=4)
    expected = [once[i] for i in range(8)]
    for i in (5, 0, 7):
        assert all(torch.equal(again[i][role], expected[i][role]) for role in ("reference", "stain"))
    other = crops(seed=8)
    assert not any(torch.equal(other[i]["stain"], expected[i]["stain"]) for i in range(8))


def test_workers_and_files_give_the_items_of_one_process(tmp_path: Path) -> None:
    write(tmp_path, a=(64, 64), b=(48, 80))
    from_files = crops(stain=open_domain(str(tmp_path), name="cd68"), steps=6)
    alone = [from_files[i]["stain"] for i in range(6)]
    loaded = list(DataLoader(from_files, batch_size=2, num_workers=2))
    assert torch.equal(torch.cat([batch["stain"] for batch in loaded]), torch.stack(alone))
    assert torch.equal(pickle.loads(pickle.dumps(from_files))[3]["stain"], alone[3])  # noqa: S301


def test_crops_are_parts_of_the_pictures_in_eight_orientations() -> None:
    picture = tissue(80, 70)
    one = Domain.of_arrays("pas", [picture])
    drawn = [crops(reference=one, steps=40)[i]["reference"] for i in range(40)]
    assert all(is_within(crop, picture) for crop in drawn)
    assert drawn[0].shape == (3, 32, 32)
    assert drawn[0].dtype == torch.float32
    assert len({crop.numpy().tobytes() for crop in drawn}) == 40
    upright = UnpairedCrops(one, one, crop=32, seed=7, steps=40, augment=False)
    ways = {_orientation(drawn[i], upright[i]["reference"]) for i in range(40)}
    assert ways == {(flip, turns) for flip in (False, True) for turns in range(4)}


def _orientation(turned: torch.Tensor, upright: torch.Tensor) -> tuple[bool, int]:
    (way,) = [
        (flip, turns)
        for flip in (False, True)
        for turns in range(4)
        if torch.equal(torch.rot90(upright.flip(2) if flip else upright, turns, (1, 2)), turned)
    ]
    return way


def test_every_position_is_equally_likely() -> None:
    y, x = np.mgrid[:40, :40]
    places = np.stack([x * 4, y * 4, np.zeros_like(x)], axis=2).astype(np.uint8)
    one = Domain.of_arrays("pas", [places])
    drawn = UnpairedCrops(one, one, crop=16, seed=1, steps=3000, augment=False)
    corners = np.array([drawn[i]["reference"][:2, 0, 0].numpy() for i in range(3000)])
    found = np.rint((corners + 1) * 127.5 / 4).astype(int)
    assert found.min() == 0
    assert found.max() == 24
    counts = np.bincount(found[:, 0], minlength=25)
    assert ((counts - 120) ** 2 / 120).sum() < 51.2, "chi-square, 24 degrees of freedom, 0.1 %"


def test_the_two_crops_of_an_item_have_nothing_to_do_with_each_other() -> None:
    same = domain()
    drawn = UnpairedCrops(same, same, crop=32, seed=0, steps=20)
    assert not any(torch.equal(drawn[i]["reference"], drawn[i]["stain"]) for i in range(20))


def test_preferred_crops_show_markers() -> None:
    sparse = Domain.of_arrays("cd68", [spotted(256, 1, seed) for seed in range(3)] + [spotted(256, 0)])
    stain = BUILT_IN["cd68"]

    def share(probability: float) -> float:
        drawn = crops(stain=sparse, steps=60, markers=MarkerPreference(stain=stain, probability=probability))
        return float(np.mean([bool((drawn[i]["stain"].amin(dim=0) < 0).any()) for i in range(60)]))

    assert share(1.0) >= 0.95
    assert share(0.0) <= 0.25
    assert 0.35 <= share(0.5) <= 0.75


def test_without_any_marker_crops_are_plain_ones() -> None:
    blank = Domain.of_arrays("cd68", [spotted(96, 0)])
    wanted = MarkerPreference(stain=BUILT_IN["cd68"], probability=1.0)
    assert crops(stain=blank, markers=wanted)[0]["stain"].shape == (3, 32, 32)
    with pytest.raises(SpecError, match="share of crops"):
        MarkerPreference(stain=BUILT_IN["cd68"], probability=1.5)


# ---- real fields


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
