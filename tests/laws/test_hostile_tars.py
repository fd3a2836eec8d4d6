"""Tars whose headers lie, and sources of enormous sizes: refused by a sentence, at once, whatever they state."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from augengine.errors import DamagedSource, SourceError, WeightsError
from augengine.sample import Failure, Sample
from augengine.shards.groups import MAX_JSON_BYTES, MAX_MEMBERS, MAX_SAMPLE_BYTES
from augengine.shards.read import read_tar, scan_tar
from augengine.shards.verify import verify
from augengine.shards.walk import MAX_PADDING_BYTES
from augengine.sources import FolderSource, TarsSource
from augengine.sources.tars import MAX_TARS, expand
from augengine.tiling.patients import MAX_PATIENTS_BYTES, Patients
from augengine.weights.cards import MAX_CARD_BYTES, read_card
from tests.support.datasets import keys, make
from tests.support.hostile_files import shard
from tests.support.pictures import encode, tissue, write_folder

_END = bytes(1024)


def _header(name: str, kind: bytes, size: int) -> bytes:
    """A header that states a size, which nothing follows."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (b"\x80" if size >= 0 else b"\xff") + size.to_bytes(11, "big", signed=True)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


LIES = {
    "a long name of 16 GB": _header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 34),
    "a PAX header of 16 GB": _header("p", tarfile.XHDTYPE, 1 << 34),
    "a chain of headers": _header("p", tarfile.XHDTYPE, 0) * 3000,
    "a member of 1 TB": _header("a.png", tarfile.REGTYPE, 1 << 40),
    "a negative size": _header("a.png", tarfile.REGTYPE, -600),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "lie.tar"
    file.write_bytes(LIES[lie] + _END)
    with pytest.raises(SourceError):
        scan_tar(str(file))
    with pytest.raises(SourceError):
        list(read_tar(str(file), 0, 1, {}))


def test_a_damaged_tar_is_one_bad_sample_among_whole_ones_and_alone_it_is_refused(tmp_path: Path) -> None:
    whole, bad = tmp_path / "a.tar", tmp_path / "b c.tar"
    whole.write_bytes(shard())
    bad.write_bytes(LIES["a member of 1 TB"] + _END)
    listing = TarsSource(urls=(str(bad), str(whole))).scan()
    assert [(entry.key, bool(entry.reason)) for entry in listing.entries()] == [
        ("b_c", True), ("k0", False), ("k1", False), ("k2", False),
    ]  # fmt: skip
    with pytest.raises(DamagedSource, match=r"b c\.tar"):
        TarsSource(urls=(str(bad),)).scan()
    with pytest.raises(SourceError, match="there is no"):
        TarsSource(urls=(str(whole), str(tmp_path / "missing.tar"))).scan()


def test_global_headers_without_end_are_refused(tmp_path: Path) -> None:
    records = b"".join(b"%d k%06d=v\n" % (len(b"00 k000000=v\n"), number) for number in range(2000))
    head = tarfile.TarInfo("g")
    head.type, head.size = tarfile.XGLTYPE, len(records)
    data = head.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512) + shard()
    (tmp_path / "g.tar").write_bytes(data)
    with pytest.raises(DamagedSource, match="global headers"):
        scan_tar(str(tmp_path / "g.tar"))


def test_a_sample_of_too_many_members_is_bad_and_the_next_is_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as tar:
        for number in range(MAX_MEMBERS + 5):
            tar.addfile(tarfile.TarInfo(f"k.x{number}"))
        tar.addfile(tarfile.TarInfo("l.png"))
    entries = scan_tar(str(tmp_path / "m.tar")).entries
    assert [entry.key for entry in entries] == ["k", "l"]
    assert "members" in entries[0].reason
    first, second = read_tar(str(tmp_path / "m.tar"), 0, 2, {})
    assert isinstance(first, Failure)
    assert isinstance(second, Sample)


@pytest.mark.e2e
def test_a_tar_that_was_mended_is_made_by_a_retry(small_weights: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.tar").write_bytes(shard("a"))
    (source / "b.tar").write_bytes(shard("b")[:3000])
    first = make(source, out, small_weights)
    assert (first.samples_out, first.complete()) == (3, False)
    assert any("b.tar" in line for line in first.failure_lines())
    (source / "b.tar").write_bytes(shard("b"))
    assert make(source, out, small_weights, retry_failed=True).complete()
    assert {key[0] for key in keys(out)} == {"a", "b"}
    assert verify(out).ok


@pytest.mark.parametrize("pattern", ["s-{0..1000001}.tar", "s-{000..999}-{0000..1000}.tar", "{a,b}{0..999999}.tar"])
def test_a_pattern_that_stands_for_millions_of_tars_is_refused(pattern: str) -> None:
    with pytest.raises(SourceError, match=f"stands for more than {MAX_TARS} tars"):
        expand(pattern)


def test_a_sample_with_too_long_a_json_is_bad_and_the_next_is_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "j.tar", "w") as tar:
        for key, json in (("k", b"{" + b" " * MAX_JSON_BYTES + b"}"), ("l", b"{}")):
            for name, data in ((f"{key}.json", json), (f"{key}.png", encode(tissue()))):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    first, second = read_tar(str(tmp_path / "j.tar"), 0, 2, {})
    assert isinstance(first, Failure)
    assert f"{MAX_JSON_BYTES} are allowed" in first.reason
    assert isinstance(second, Sample)


def test_a_sample_of_more_than_a_picture_can_have_is_bad_and_never_read(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a", "b"])
    os.truncate(source / "b.png", MAX_SAMPLE_BYTES + 1)
    listing = FolderSource(folder=str(source)).scan()
    assert [(entry.key, f"{MAX_SAMPLE_BYTES} are allowed" in entry.reason) for entry in listing.bad] == [("b", True)]


def test_a_tar_that_goes_on_with_zeros_for_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "z.tar").write_bytes(shard())
    os.truncate(tmp_path / "z.tar", len(shard()) + MAX_PADDING_BYTES + (1 << 20))
    with pytest.raises(DamagedSource, match="goes on after its end mark"):
        scan_tar(str(tmp_path / "z.tar"))


def test_tables_and_cards_of_gigabytes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").touch()
    os.truncate(tmp_path / "patients.csv", MAX_PATIENTS_BYTES + 1)
    with pytest.raises(SourceError, match=f"{MAX_PATIENTS_BYTES} are allowed"):
        Patients.read(tmp_path / "patients.csv")
    (tmp_path / "card.json").touch()
    os.truncate(tmp_path / "card.json", MAX_CARD_BYTES + 1)
    with pytest.raises(WeightsError, match=f"{MAX_CARD_BYTES} are allowed"):
        read_card(tmp_path / "card.json")
