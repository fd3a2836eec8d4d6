"""Datasets of shuffled markers: the same shards, keys, masks, provenance and replay as by generators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augengine.dataset import AugmentRequest, augment, predict, replay
from augengine.dataset.augmenter import Augmenter
from augengine.dataset.sheet import draw_sheet
from augengine.dataset.shuffling import ShuffleOutfit
from augengine.errors import PlanMismatch, SpecError, StainError
from augengine.pictures.encode import decode_own, encode_image, encode_mask
from augengine.pictures.masks import read_mask
from augengine.shards.read import read_members
from augengine.shards.verify import verify
from tests.support.datasets import Listener
from tests.support.marked_tissue import THRESHOLD, marked_tissue

KEYS = ("a", "b", "c")


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for seed, key in enumerate(KEYS):
        (folder / f"{key}.png").write_bytes(encode_image(marked_tissue(seed=seed), "png"))
        mask = np.zeros((160, 160), dtype=np.uint8)
        mask[seed * 20 : 90] = 3
        (folder / f"{key}_mask.png").write_bytes(encode_mask(mask))
    return folder


def request(tiles: Path, out: Path, **changes: Any) -> AugmentRequest:
    options = {"stain": "cd68", "method": "shuffle", "source": str(tiles), "mpp": 0.25, "variants": 2}
    return AugmentRequest(**{"out": out, **options, **changes})


def members(out: Path, key: str) -> dict[str, bytes]:
    return dict(read_members(str(out / "cd68-000000.tar"), key))


def test_shards_masks_json_and_card_are_those_of_every_dataset(tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = augment(request(tiles, out, include_source=True), Listener())
    assert summary.complete()
    assert "without generators" in summary.sentence()
    assert verify(out).ok
    written = members(out, "b-v0002")
    record = json.loads(written["json"])
    assert (record["method"], record["sigma"], record["eps"], record["engine_to_reference"]) == ("shuffle", 0, 0, "")
    source = read_mask((tiles / "b_mask.png").read_bytes(), max_side=999)
    assert np.array_equal(read_mask(written["seg.png"], max_side=999), source)
    assert not np.array_equal(decode_own(written["png"]), marked_tissue(seed=1))
    assert members(out, "b-v0000")["png"] == (tiles / "b.png").read_bytes()
    assert "No generator ran" in (out / "README.md").read_text()


def test_a_sample_is_made_again_byte_for_byte(tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    augment(request(tiles, out), Listener())
    assert replay(out, "c-v0001").same
    assert draw_sheet(out, tmp_path / "sheet.png").is_file()


def test_the_bytes_depend_on_no_worker_and_no_resume(tiles: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    augment(request(tiles, one, samples_per_shard=1), Listener())
    augment(request(tiles, two, samples_per_shard=1, workers=2), Listener())
    for shard in sorted(one.glob("*.tar")):
        assert shard.read_bytes() == (two / shard.name).read_bytes()
    (two / "cd68-000001.tar").unlink()
    assert augment(request(tiles, two, samples_per_shard=1), Listener()).resumed == 2
    assert (one / "cd68-000001.tar").read_bytes() == (two / "cd68-000001.tar").read_bytes()


def test_a_mended_source_is_tried_again_with_the_threshold_of_the_dataset(tiles: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", (tiles / "a.png").read_bytes()
    (tiles / "a.png").write_bytes(whole[:400])
    assert augment(request(tiles, out), Listener()).failed_samples == 1
    (tiles / "a.png").write_bytes(whole)
    assert augment(request(tiles, out, retry_failed=True), Listener()).complete()
    assert verify(out).ok


def test_the_other_method_in_the_same_folder_is_refused(tiles: Path, tmp_path: Path, small_weights: Path) -> None:
    out = tmp_path / "out"
    augment(request(tiles, out), Listener())
    with pytest.raises(PlanMismatch, match="begun with --method shuffle"):
        augment(request(tiles, out, method="stain", weights=small_weights, eps=0.1, allow_mpp=True), Listener())


@pytest.mark.parametrize(
    "options",
    [{"eps": 0.1}, {"precision": "float32"}, {"force": True}, {"no_build": True}, {"backend": "openvino"}],
)
def test_what_only_generators_read_is_refused(tiles: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="--method shuffle has no use for --"):
        augment(request(tiles, tmp_path / "out", **options), Listener())


def test_a_threshold_is_for_shuffled_markers_alone(tiles: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--method stain has no use for --marker-threshold"):
        augment(request(tiles, tmp_path / "out", method="stain", marker_threshold=0.1), Listener())
    with pytest.raises(SpecError, match="unknown method"):
        augment(request(tiles, tmp_path / "out", method="blur"), Listener())
    with pytest.raises(SpecError, match="a concentration above 0"):
        augment(request(tiles, tmp_path / "out", marker_threshold=-1.0), Listener())


@pytest.mark.parametrize(("threshold", "said"), [(0.9, "nothing will move"), (0.005, "looks like a background")])
def test_a_threshold_that_cannot_be_meant_is_warned_of(
    tiles: Path, tmp_path: Path, threshold: float, said: str
) -> None:
    listener = Listener()
    augment(request(tiles, tmp_path / "out", marker_threshold=threshold), listener)
    assert any(said in line for line in listener.warnings)


def test_it_is_predicted_without_writing(tiles: Path, tmp_path: Path) -> None:
    found = predict(request(tiles, tmp_path / "out"), Listener())
    assert (found.samples_in, found.samples_out) == (3, 6)
    assert found.minutes > 0
    assert not (tmp_path / "out").exists()


def test_a_stain_without_generators_will_do(tiles: Path, tmp_path: Path) -> None:
    file = tmp_path / "vegf.toml"
    file.write_text('name = "vegf"\nchromogen = [0.27, 0.57, 0.78]\n')
    out = tmp_path / "out"
    assert augment(request(tiles, out, stain=str(file)), Listener()).complete()
    assert sorted(path.name for path in out.glob("*.tar")) == ["vegf-000000.tar"]


def test_the_augmenter_makes_the_pixels_of_the_dataset(tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    augment(request(tiles, out, marker_threshold=THRESHOLD, seed=5), Listener())
    with Augmenter("cd68", method="shuffle", marker_threshold=THRESHOLD, seed=5) as shuffle:
        made = shuffle(marked_tissue(seed=0), variants=2, key="a")
        assert shuffle.eps == 0
        assert "shuffle" in repr(shuffle)
    for number, image in enumerate(made, start=1):
        assert np.array_equal(decode_own(members(out, f"a-v000{number}")["png"]), image)


def test_the_augmenter_refuses_what_it_would_not_read() -> None:
    with pytest.raises(SpecError, match="no use for eps"):
        Augmenter("cd68", method="shuffle", marker_threshold=0.1, eps=0.1)
    with pytest.raises(SpecError, match="takes a marker threshold"):
        Augmenter("cd68", method="shuffle")
    with pytest.raises(SpecError, match="marker_threshold is for"):
        Augmenter("cd68", marker_threshold=0.1)
    with pytest.raises(SpecError, match="unknown method"):
        Augmenter("cd68", method="blur")  # type: ignore[arg-type]
    with pytest.raises(StainError):
        Augmenter("nostain", method="shuffle", marker_threshold=0.1)
    shuffle = Augmenter("cd68", method="shuffle", marker_threshold=0.1)
    image = marked_tissue(seed=0)
    for refused in (lambda: shuffle.to_reference(image), lambda: shuffle.reconstruct(image)):
        with pytest.raises(SpecError, match="no other stain"):
            refused()
    with pytest.raises(SpecError, match="takes no sigma"):
        shuffle(image, sigma=0.1)


def test_a_node_is_told_by_the_libraries_that_decide_the_pixels() -> None:
    outfit = ShuffleOutfit()
    for name in ("numpy", "scipy", "scikit-image", "opencv"):
        assert name in outfit.machine().lower()
    worker = object()
    assert outfit.fit(worker, lambda _: b"") is worker


def test_masks_of_0_and_255_are_told_of(tiles: Path, tmp_path: Path) -> None:
    for file in tiles.glob("*_mask.png"):
        mask = read_mask(file.read_bytes(), max_side=999)
        file.write_bytes(encode_mask(np.where(mask > 0, 255, 0).astype(np.uint8)))
    summary = augment(request(tiles, tmp_path / "out"), Listener())
    assert any("--classes 255" in line for line in summary.outcome.notes)
