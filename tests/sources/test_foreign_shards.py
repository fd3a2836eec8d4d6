"""Shards and folders as other tools pack them: read as they were meant, or refused and named; never in silence."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.pictures.encode import decode_own
from augengine.pictures.masks import read_mask
from augengine.pictures.metadata import orientation_of
from augengine.shards.verify import verify
from tests.support.datasets import keys, make, members
from tests.support.pictures import class_ids, decode, encode, tissue, turned, write_folder
from tests.support.small_shards import pack, write_shard

pytestmark = pytest.mark.e2e

DIFFER = "samples differ in members: Hugging Face datasets and Ray load only sets whose samples have the same ones"


class Told:
    """A run of the command: its status, what it printed, and what it wrote."""

    def __init__(self, source: Path, out: Path, weights: Path, *more: object) -> None:
        self.out = out
        self._said = ["augment", "--force", "--stain", "cd68", "--eps", "0.05", "--mpp", "0.5", "--include-source"]
        self._said += ["--in", str(source), "--out", str(out), "--weights", str(weights), *map(str, more)]
        self.result = self._call()
        self.status = self.result.exit_code

    def _call(self, *more: str) -> Result:
        return CliRunner().invoke(main, [*self._said, *more])

    def json(self) -> dict[str, Any]:
        """The result of the same command once more, which has nothing left to do; everything said agrees with it."""
        again = self._call("--json")
        found: dict[str, Any] = json.loads(again.stdout)
        assert again.exit_code == self.status == (0 if found["complete"] else 1)
        assert found["complete"] == (not found["failures"])
        assert found["samples"]["failed"] == len(found["failures"])
        assert found["samples"]["out"] == len(keys(self.out))
        for failure in found["failures"]:
            assert f"  {failure['key']}: {failure['reason']}" in self.result.stdout
        for note in found["notes"]:
            assert f"  note: {note}" in self.result.stdout
        assert json.loads((self.out / ".augengine/summary.json").read_text())["notes"] == found["notes"]
        assert verify(self.out).ok
        return found

    def whole(self, samples: int) -> dict[str, bytes]:
        """What a run without failures wrote of so many sources, each with a mask."""
        assert self.json()["samples"] == {
            "in": samples, "written": samples, "failed": 0, "quarantined": 0, "emptied": 0, "left": 0,
            "out": 2 * samples,
        }  # fmt: skip
        found = members(self.out)
        assert sum(name.endswith(".seg.png") for name in found) == 2 * samples
        return found

    def refused(self, *words: str) -> None:
        """It left with 2, said why and what to do next, and wrote nothing."""
        assert (self.status, self.result.stdout) == (2, "")
        assert all(word in self.result.stderr for word in ("hint: ", *words)), self.result.stderr
        assert not self.out.exists() or not list(self.out.glob("*.tar"))


@pytest.fixture
def run(small_weights: Path, tmp_path: Path) -> Any:
    """Augment a source with the small generators, and tell what came of it."""
    return lambda source, *more: Told(source, tmp_path / "made", small_weights, *more)


def _masks(found: dict[str, bytes]) -> list[Any]:
    names = sorted(name for name in found if name.endswith("-v0001.seg.png"))
    return [read_mask(found[name], max_side=256) for name in names]


def drawn_ids(seed: int) -> Any:
    """The class ids of the cases, which no turn and no flip leaves as they are."""
    y, x = np.mgrid[:128, :128]
    return ((y // (8 + 4 * seed) + x // (6 + 3 * seed)) % 3).astype(np.uint8)


def assert_drawn(found: dict[str, bytes]) -> None:
    for seed, mask in enumerate(_masks(found)):
        np.testing.assert_array_equal(mask, drawn_ids(seed))


def test_two_images_under_one_key_are_refused_until_the_options_decide(run: Any, shard_cases: Path) -> None:
    source = shard_cases / "01_jpg_and_grey_mask.tar"
    run(source).refused("0000", ".jpg and .png: which is the image?", "--image-member jpg", "--mask-member png")
    told = run(source, "--image-member", "jpg", "--mask-member", "png")
    assert_drawn(told.whole(3))
    changed = told._call("--mask-member", "none")
    assert changed.exit_code == 2
    assert "the source's mask_member was png, is now none" in changed.stderr


def test_a_colour_picture_that_is_named_as_the_mask_is_refused_for_what_it_is(run: Any, tmp_path: Path) -> None:
    entries = [("k.jpg", encode(tissue(), "JPEG")), ("k.png", encode(tissue()))]
    source = pack(tmp_path / "a.tar", entries)
    run(source).refused(".jpg and .png")
    (failure,) = run(source, "--image-member", "jpg", "--mask-member", "png").json()["failures"]
    assert "the mask is a colour picture of mode RGB, not 8-bit class ids" in failure["reason"]


@pytest.mark.parametrize(
    "case", ["02_mask_by_suffix", "03_two_folders", "04_label", "07_members_apart", "13_four_bit_mask"]
)
def test_usual_layouts_are_read_with_the_masks_that_were_drawn(run: Any, shard_cases: Path, case: str) -> None:
    assert_drawn(run(shard_cases / f"{case}.tar").whole(3))


@pytest.mark.parametrize(("image", "mask"), [("image.png", "mask.png"), ("input.jpg", "target.png")])
def test_named_images_and_masks_are_read(run: Any, tmp_path: Path, image: str, mask: str) -> None:
    picture = encode(tissue(), "JPEG" if image.endswith("jpg") else "PNG")
    found = run(pack(tmp_path / "a.tar", [(f"k.{image}", picture), (f"k.{mask}", encode(class_ids()))])).whole(1)
    np.testing.assert_array_equal(decode(found["k-v0000.png"]), decode_own(picture))
    np.testing.assert_array_equal(_masks(found)[0], class_ids())


@pytest.mark.parametrize("case", ["05_exif.tar", "06_exif_folder"])
@pytest.mark.parametrize("image_format", ["png", "jpg"])
def test_turned_images_are_bad_samples(run: Any, shard_cases: Path, case: str, image_format: str) -> None:
    told = run(shard_cases / case, "--format", image_format).json()
    assert told["samples"]["written"] == 0
    assert all("the EXIF orientation 6" in each["reason"] for each in told["failures"])
    assert all("exiftran -ai" in each["reason"] for each in told["failures"])


def test_a_turned_mask_is_a_bad_sample_beside_a_good_one(run: Any, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a", "b"], masks=True)
    (source / "b_mask.png").write_bytes(turned(class_ids(), "PNG", 3))
    (failure,) = run(source).json()["failures"]
    assert failure["key"] == "b"
    assert "the mask has the EXIF orientation 3" in failure["reason"]


@pytest.mark.parametrize(("case", "count"), [("08_two_keys_one_name", 2), ("09_three_keys_one_name", 3)])
def test_keys_that_become_one_are_counted_and_named(run: Any, shard_cases: Path, case: str, count: int) -> None:
    told = run(shard_cases / f"{case}.tar")
    found = told.json()
    assert (found["samples"]["in"], found["samples"]["written"], found["samples"]["failed"]) == (count, 1, count - 1)
    assert all("has the key 'a_b', which is taken by a/b.png in" in each["reason"] for each in found["failures"])
    assert not {each["key"] for each in found["failures"]} & {"a_b"}  # that one is written
    with tarfile.open(shard_cases / f"{case}.tar") as tar:
        image = tar.extractfile("a/b.png")
        assert image is not None
        assert members(told.out)["a_b-v0000.png"] == image.read()
    assert "a_b-v0000.seg.png" not in members(told.out)


def test_a_link_is_named_and_the_others_are_written(run: Any, shard_cases: Path) -> None:
    found = run(shard_cases / "10_link.tar").json()
    assert (found["samples"]["written"], [each["key"] for each in found["failures"]]) == (3, ["0003"])
    assert "tar -h" in found["failures"][0]["reason"]


def test_a_compressed_tar_beside_others_is_named(run: Any, shard_cases: Path, tmp_path: Path) -> None:
    told = run(shard_cases / "11_mixed")
    assert told.json()["notes"] == ["1 compressed tar is left out: a.tar.gz; unpack them, shards are read uncompressed"]
    assert "warning: 1 compressed tar is left out: a.tar.gz" in told.result.stderr


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst", "a.tbz2"])
def test_compressed_tars_alone_are_refused_with_what_to_do(run: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(b"\x1f\x8b")
    run(tmp_path / "in" / name).refused("is a compressed tar", "gunzip")
    run(tmp_path / "in").refused(f"1 compressed tar is left out: {name}")


def test_tars_in_folders_below_are_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in/b").mkdir(parents=True)
    write_shard(tmp_path / "in/a.tar", samples=1)
    write_shard(tmp_path / "in/b/c.tar", samples=1)
    assert "1 tar is left out in folders below: b/c.tar" in run(tmp_path / "in").json()["notes"]


def test_lossy_masks_are_bad_samples(run: Any, shard_cases: Path) -> None:
    found = run(shard_cases / "12_jpeg_as_mask.tar").json()
    assert [each["key"] for each in found["failures"]] == ["0000", "0001", "0002"]
    assert all("the mask is coded as JPEG" in each["reason"] for each in found["failures"])


def test_a_source_without_a_mask_is_said(run: Any, shard_cases: Path) -> None:
    assert run(shard_cases / "14_one_without_mask.tar").json()["notes"] == ["1 of 3 sources has no mask", DIFFER]


def test_members_that_travel_along_are_said_where_no_sample_has_a_mask(run: Any, tmp_path: Path) -> None:
    entries = [("k.png", encode(tissue())), ("k.seg.npy", b"ids"), ("l.png", encode(tissue())), ("l.seg.npy", b"ids")]
    found = run(pack(tmp_path / "a.tar", [*entries, ("l.cls", b"1")])).json()
    assert found["notes"] == [
        "no sample has a mask; members that travel along: .cls, .seg.npy",
        "1 of 2 sources has a member .cls",
        DIFFER,
    ]


def test_files_beside_the_samples_are_a_note_and_no_failure(run: Any, tmp_path: Path) -> None:
    entries = [
        (f"t_{i}.{e}", encode(tissue() if e == "png" else class_ids())) for i in (0, 1) for e in ("png", "seg.png")
    ]
    entries = [("LICENSE.txt", b"MIT"), *entries, ("dataset.json", b"{}"), ("README", b"")]
    found = run(pack(tmp_path / "a.tar", entries)).json()
    assert found["samples"]["written"] == 2
    assert found["notes"] == [
        "3 files belong to no sample and are left out: LICENSE.txt, dataset.json, README in a.tar"
    ]


def test_a_mask_member_that_no_sample_has_is_refused(run: Any, tmp_path: Path) -> None:
    source = write_shard(tmp_path / "a.tar", samples=2)
    run(source, "--mask-member", "sge.png").refused("no sample has the member .sge.png", ".seg.png")


@pytest.mark.parametrize("packed", [True, False])
def test_masks_of_an_unknown_suffix_are_warned_of(run: Any, tmp_path: Path, packed: bool) -> None:
    source = write_folder(tmp_path / "in", [f"{key}{end}" for key in "abc" for end in ("", "_gt")])
    if packed:
        source = pack(tmp_path / "a.tar", [(file.name, file.read_bytes()) for file in sorted(source.iterdir())])
    said = "3 samples are named like others with _gt behind: if they are masks, say --mask-suffix _gt"
    assert said in run(source).json()["notes"]
    assert said not in run(source, "--mask-suffix", "_gt", "--out", tmp_path / "again").result.stderr


def test_a_dataset_of_augengine_as_the_input_is_warned_of(run: Any, small_weights: Path, tmp_path: Path) -> None:
    make(write_folder(tmp_path / "in", ["a"], masks=True), tmp_path / "first", small_weights)
    told = run(tmp_path / "first")
    assert told.json()["notes"] == [
        "cd68-000000.tar holds samples that augengine made: this makes variants of variants"
    ]
    assert "warning: cd68-000000.tar holds samples that augengine made" in told.result.stderr


def test_two_tars_in_one_file_are_refused(run: Any, tmp_path: Path) -> None:
    one, two = write_shard(tmp_path / "a.tar"), write_shard(tmp_path / "b.tar")
    both = tmp_path / "both.tar"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    run(both).refused("goes on after its end mark", "cat")


def test_a_pipe_is_refused_alone_and_named_beside_others(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in/a.tar")
    run(tmp_path / "in/a.tar").refused("no plain file")
    write_shard(tmp_path / "in/b.tar", samples=2)
    found = run(tmp_path / "in").json()
    assert (found["samples"]["written"], [each["key"] for each in found["failures"]]) == (2, ["a"])
    assert "no plain file" in found["failures"][0]["reason"]


def test_member_options_go_with_tars_alone(run: Any, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a"])
    run(source, "--image-member", "png").refused("--image-member and --mask-member go with tars")
    run(source, "--mask-suffix", "").refused("--mask-suffix is empty")
    run(write_shard(tmp_path / "a.tar"), "--image-member", "json").refused("--image-member names no picture: 'json'")


def test_turned_pixels_never_leave_in_any_format(run: Any, tmp_path: Path) -> None:
    entries = [("a.png", encode(tissue())), ("b.webp", turned(tissue(), "WEBP", 5, lossless=True))]
    entries += [("c.tif", turned(tissue(96, 64), "TIFF", 8)), ("d.png", turned(tissue(), "PNG", 2))]
    told = run(pack(tmp_path / "a.tar", entries), "--format", "webp")
    failures = told.json()["failures"]
    assert [each["key"] for each in failures] == ["b", "c", "d"]
    assert all("the EXIF orientation" in each["reason"] for each in failures)
    written = [data for name, data in members(told.out).items() if name.endswith(".webp")]
    assert [orientation_of(data) for data in written] == [1, 1]
