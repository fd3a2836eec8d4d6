"""Shards are written whole or not at all: equal bytes for equal samples, an index, a report, and their publishing."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine.errors import ContentError, ShardError, TargetError
from augengine.jobs import Report
from augengine.sample import Failure
from augengine.shards import ShardWriter, members_of, publish, read_report, write_report
from augengine.shards.layout import report_file, spool_folder
from augengine.shards.tar_header import member_header
from tests.support.small_shards import members, write_shard


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = write_shard(tmp_path / "a.tar"), write_shard(tmp_path / "b.tar")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".idx").read_bytes() == second.with_suffix(".idx").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10_000])
def test_a_shard_is_what_tarfile_would_write(tmp_path: Path, size: int) -> None:
    named = [(f"tile-{number}", "png", bytes([number]) * (size + number)) for number in range(3)]
    named += [("grün", "seg.png", b"m"), ("k" * 96, "png", b"x" * size)]
    with ShardWriter(tmp_path / "ours.tar") as writer:
        for key, extension, data in named:
            writer.add(key, [(extension, data)])
    with tarfile.open(tmp_path / "theirs.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, extension, data in named:
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()


@given(name=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=25), size=st.integers(0, 8**11 - 1))
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    assert member_header(name, size) == info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")


def test_what_a_header_cannot_say_is_refused() -> None:
    for name, size in (("k" * 101, 1), ("k", 8**11)):
        with pytest.raises(ShardError, match="no place in a tar"):
            member_header(name, size)


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
