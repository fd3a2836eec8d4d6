"""Tars are read as WebDataset groups them: a bad sample is dropped alone, and a damaged or lying tar is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SourceError
from augengine.sample import Failure, Sample
from augengine.shards import publish, read_tar, scan_tar
from tests.support.pictures import bomb, class_ids, encode, tissue
from tests.support.small_shards import members, write_shard


def write_tar(file: Path, entries: list[tuple[str, bytes]], fmt: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(file, "w", format=fmt) as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def read_all(file: Path) -> list[Sample | Failure]:
    return list(read_tar(str(file), 0, len(scan_tar(str(file)).entries), {}))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar")
    samples = read_all(file)
    assert [sample.key for sample in samples] == ["tile_0", "tile_1", "tile_2"]
    assert samples[1] == Sample(
        key="tile_1",
        image=encode(tissue(seed=1)),
        image_ext="png",
        mask=encode(class_ids(seed=1)),
        meta={"mpp": 0.5},
        extras={"cls": b"1"},
    )


def test_the_headers_tell_keys_sizes_and_the_first_json(tmp_path: Path) -> None:
    listing = scan_tar(str(write_shard(tmp_path / "a.tar")))
    assert [(e.key, e.height, e.width, e.reason) for e in listing.entries] == [
        (f"tile_{i}", 48, 64, "") for i in range(3)
    ]
    assert listing.entries[0].name == "tile_0.png"
    assert listing.entries[0].size == sum(len(data) for _, data in members(0, cls=b"1"))
    assert listing.meta == {"mpp": 0.5}


def test_a_range_of_a_tar_is_read_and_excluded_samples_are_named(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar", samples=5)
    outcomes = list(read_tar(str(file), 1, 3, {2: "taken"}))
    assert [outcome.key for outcome in outcomes] == ["tile_1", "tile_2", "tile_3"]
    assert outcomes[1] == Failure("tile_2", "taken")


def test_tars_are_read_from_urls(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar")
    publish(tmp_path / "a.tar", "memory://in/a.tar")
    assert len(scan_tar("memory://in/a.tar").entries) == 3
    assert len(list(read_tar("memory://in/a.tar", 0, 3, {}))) == 3


def test_fewer_samples_than_planned_fail_the_tar(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar")
    with pytest.raises(SourceError, match="holds 3 samples, 4 were planned"):
        list(read_tar(str(file), 0, 4, {}))


def test_members_are_grouped_and_named_as_webdataset_does(tmp_path: Path) -> None:
    picture = encode(tissue())
    entries = [
        ("./a.b/x y.PNG", picture),
        ("./a.b/x y.txt", b"t"),
        ("./a.b/z.jpg", picture),
        (".hidden.png", picture),
        ("README", b""),
        ("__meta__/x.png", picture),
    ]
    samples = read_all(write_tar(tmp_path / "a.tar", entries))
    assert [sample.key for sample in samples] == ["a_b_x_y", "a_b_z"]
    assert isinstance(samples[0], Sample)
    assert samples[0].extras == {"txt": b"t"}


@pytest.mark.parametrize("ext", ["seg.png", "seg.tif", "mask.png"])
def test_the_mask_is_known_by_its_extension(tmp_path: Path, ext: str) -> None:
    (sample,) = read_all(write_tar(tmp_path / "a.tar", [("k.png", encode(tissue())), (f"k.{ext}", b"ids")]))
    assert isinstance(sample, Sample)
    assert sample.mask == b"ids"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "json"),
        (b"[1]", "a list, not an object"),
        (b'{"a": NaN}', "json"),
        (b'{"a": 1e999}', "json"),
        (b'{"a": "\\ud800"}', "json"),
        (b"\xff", "json"),
        (b"[" * 100_000, "json"),
        (b" " * ((1 << 20) + 1), "allowed"),
    ],
)
def test_a_bad_json_drops_its_sample_alone(tmp_path: Path, data: bytes, reason: str) -> None:
    picture = encode(tissue())
    entries = [("a.png", picture), ("a.json", data), ("b.png", picture), ("b.json", b"{}")]
    bad, good = read_all(write_tar(tmp_path / "a.tar", entries))
    assert isinstance(bad, Failure)
    assert reason in bad.reason
    assert isinstance(good, Sample)


def test_samples_without_an_image_or_with_two_of_a_kind_are_bad(tmp_path: Path) -> None:
    picture = encode(tissue())
    entries = [("a.txt", b""), ("b.png", picture), ("b.PNG", picture), ("k" * 95 + ".png", picture)]
    file = write_tar(tmp_path / "a.tar", entries, tarfile.PAX_FORMAT)
    reasons = [entry.reason for entry in scan_tar(str(file)).entries]
    for reason, expected in zip(reasons, ("no image", "more than once", "95 bytes"), strict=True):
        assert expected in reason
    assert [outcome.reason for outcome in read_all(file) if isinstance(outcome, Failure)] == reasons


def test_a_bomb_in_a_tar_shows_its_size_in_the_listing(tmp_path: Path) -> None:
    (entry,) = scan_tar(str(write_tar(tmp_path / "a.tar", [("k.png", bomb())]))).entries
    assert (entry.height, entry.width) == (60000, 60000)


@pytest.mark.parametrize("name", ["../k.png", "/k.png", "a/../../k.png", "a\\k.png"])
def test_member_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    file = write_tar(tmp_path / "a.tar", [("good.png", encode(tissue())), (name, encode(tissue()))])
    for read in (lambda: scan_tar(str(file)), lambda: list(read_tar(str(file), 0, 2, {}))):
        with pytest.raises(SourceError, match="leads out of it"):
            read()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("k.png")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(info)
    with pytest.raises(SourceError, match="no plain file"):
        scan_tar(str(tmp_path / "a.tar"))
    with pytest.raises(SourceError, match="no plain file"):
        list(read_tar(str(tmp_path / "a.tar"), 0, 1, {}))


@pytest.mark.parametrize("keep", [100, 700, 5000, "all members"])
def test_a_tar_cut_short_anywhere_is_refused_by_name(tmp_path: Path, keep: Any) -> None:
    file = write_shard(tmp_path / "a.tar")
    data = file.read_bytes()
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512 if keep == "all members" else keep
    file.write_bytes(data[:end])
    with pytest.raises(SourceError, match=r"a\.tar is (no tar|cut short)"):
        scan_tar(str(file))


def test_a_damaged_header_is_no_silent_end(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar")
    data = bytearray(file.read_bytes())
    second = data.index(b"tile_1.png")
    data[second + 150] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(SourceError, match=f"byte {second}"):
        scan_tar(str(file))


@pytest.mark.parametrize("data", [b"", b"no tar" * 200, b"\x1f\x8b" + bytes(600)])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.tar"):
        scan_tar(str(tmp_path / "a.tar"))


def test_a_missing_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no"):
        scan_tar(str(tmp_path / "a.tar"))
