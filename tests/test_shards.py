from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import ContentError, ShardError, SourceError, TargetError
from augengine.report import Report
from augengine.sample import Failure, Sample
from augengine.shards import ShardWriter, members_of, publish, read_report, read_tar, scan_tar, write_report
from augengine.shards.layout import report_file, spool_folder
from tests.pictures import bomb, class_ids, encode, tissue

Members = list[tuple[str, bytes]]


def members(seed: int = 0, **more: bytes) -> Members:
    mask = encode(class_ids(seed=seed))
    return members_of(encode(tissue(seed=seed)), "png", mask=mask, json=b'{"mpp":0.5}', extras=more)


def write_shard(file: Path, samples: int = 3) -> Path:
    with ShardWriter(file) as writer:
        for i in range(samples):
            writer.add(f"tile_{i}", members(i, cls=b"1"))
    return file


def write_tar(file: Path, entries: list[tuple[str, bytes]], fmt: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(file, "w", format=fmt) as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def read_all(file: Path) -> list[Sample | Failure]:
    return list(read_tar(str(file), 0, len(scan_tar(str(file)).entries), {}))


# Writing


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = write_shard(tmp_path / "a.tar"), write_shard(tmp_path / "b.tar")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".idx").read_bytes() == second.with_suffix(".idx").read_bytes()


def test_a_writer_tells_digest_size_and_samples(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("k", members())
        written = writer.close()
    data = written.tar.read_bytes()
    assert (written.sha256, written.size, written.samples) == (hashlib.sha256(data).hexdigest(), len(data), 1)


def test_the_index_is_what_dali_s_own_script_makes(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar")
    script = Path(sys.executable).with_name("wds2idx")
    subprocess.run([script, file, tmp_path / "theirs.idx"], check=True, capture_output=True)
    assert file.with_suffix(".idx").read_text() == (tmp_path / "theirs.idx").read_text()


def test_members_have_a_fixed_order() -> None:
    written = members_of(b"i", "jpg", mask=b"m", json=b"{}", extras={"txt": b"t", "cls": b"1"})
    assert [extension for extension, _ in written] == ["jpg", "seg.png", "json", "cls", "txt"]
    assert [e for e, _ in members_of(b"i", "png", mask=None, json=b"{}", extras={})] == ["png", "json"]


def test_another_member_may_not_take_the_image_s_name() -> None:
    with pytest.raises(ContentError, match=r"\.jpg"):
        members_of(b"i", "jpg", mask=None, json=b"{}", extras={"jpg": b"other"})


@pytest.mark.parametrize("key", ["a.b", "a/b", "a b", "", "a\n", "k" * 98])
def test_names_that_readers_misread_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ShardError, match="member name"), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add(key, [("png", b"x")])
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_half_written_shard(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path / "a.tar") as writer:
            writer.add("k", members())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount the small filesystem of this test")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_target_is_a_target_error_and_nothing_is_left(full_folder: Path) -> None:
    def fill() -> None:
        with ShardWriter(full_folder / "a.tar") as writer:
            for i in range(100):
                writer.add(f"k{i}", [("bin", bytes(5000))])

    with pytest.raises(TargetError, match="No space left") as caught:
        fill()
    assert "free some space" in caught.value.hint
    assert list(full_folder.iterdir()) == []


def test_publishing_into_a_full_target_changes_nothing(full_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(100_000))
    with pytest.raises(TargetError, match="No space left"):
        publish(tmp_path / "a.tar", str(full_folder / "a.tar"))
    assert list(full_folder.iterdir()) == []
    assert (tmp_path / "a.tar").exists()


def test_publishing_across_filesystems_leaves_one_whole_file(full_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"whole")
    publish(tmp_path / "a.tar", str(full_folder / "a.tar"))
    assert [file.name for file in full_folder.iterdir()] == ["a.tar"]
    assert (full_folder / "a.tar").read_bytes() == b"whole"
    assert not (tmp_path / "a.tar").exists()


def test_a_target_that_is_a_file_is_a_target_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot write"):
        ShardWriter(tmp_path / "file" / "a.tar")


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_publishing_replaces_the_target_and_takes_the_local_file(tmp_path: Path, scheme: str) -> None:
    target = tmp_path / "out" / "a.tar"
    target.parent.mkdir()
    target.write_bytes(b"old")
    (tmp_path / "a").write_bytes(b"new")
    publish(tmp_path / "a", f"{scheme}{target}")
    assert target.read_bytes() == b"new"
    assert not (tmp_path / "a").exists()


def test_publishing_to_an_url_uploads_it(tmp_path: Path) -> None:
    import fsspec

    (tmp_path / "a").write_bytes(b"new")
    publish(tmp_path / "a", "memory://bucket/a.tar")
    assert fsspec.filesystem("memory").cat("/bucket/a.tar") == b"new"
    (tmp_path / "b").write_bytes(b"new")
    with pytest.raises(TargetError, match="nosuch"):
        publish(tmp_path / "b", "nosuch://bucket/a.tar")


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    report = Report(output="a", samples_in=2, failures=(Failure("k", "bad"),), class_pixels={3: 4, 0: 1})
    assert read_report(tmp_path, "a") is None
    write_report(tmp_path, report)
    assert read_report(tmp_path, "a") == report
    assert list(spool_folder(tmp_path).iterdir()) == []
    report_file(tmp_path, "a").write_text('{"output": "a"')
    with pytest.raises(ShardError, match="cannot be read"):
        read_report(tmp_path, "a")


# Reading


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
