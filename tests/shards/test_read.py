"""Tars are read as WebDataset groups them: a bad sample is dropped alone, and a damaged or lying tar is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SourceError
from augengine.sample import Failure, Sample
from augengine.shards import publish, read_tar, scan_tar
from tests.support.pictures import bomb, class_ids, encode, tissue
from tests.support.small_shards import members, pack, write_shard


def read_all(file: Path) -> list[Sample | Failure]:
    listing = scan_tar(str(file))
    return list(read_tar(str(file), 0, len(listing.entries), {}, apart=listing.apart))


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
        meta_text='{"mpp":0.5}',
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
    samples = read_all(pack(tmp_path / "a.tar", entries))
    assert [sample.key for sample in samples] == ["a_b_x_y", "a_b_z"]
    assert isinstance(samples[0], Sample)
    assert samples[0].extras == {"txt": b"t"}


@pytest.mark.parametrize("ext", ["seg.png", "seg.tif", "mask.png", "label.png", "target.webp", "SEG.PNG"])
def test_the_mask_is_known_by_its_extension(tmp_path: Path, ext: str) -> None:
    (sample,) = read_all(pack(tmp_path / "a.tar", [("k.png", encode(tissue())), (f"k.{ext}", b"ids")]))
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
    bad, good = read_all(pack(tmp_path / "a.tar", entries))
    assert isinstance(bad, Failure)
    assert reason in bad.reason
    assert isinstance(good, Sample)


def test_samples_without_an_image_or_with_two_of_a_kind_are_bad(tmp_path: Path) -> None:
    picture = encode(tissue())
    entries = [("a.txt", b""), ("a.cls", b""), ("b.png", picture), ("b.PNG", picture), ("k" * 95 + ".png", picture)]
    file = pack(tmp_path / "a.tar", entries, tarfile.PAX_FORMAT)
    reasons = [entry.reason for entry in scan_tar(str(file)).entries]
    for reason, expected in zip(reasons, ("no image", "more than once", "95 bytes"), strict=True):
        assert expected in reason
    assert [outcome.reason for outcome in read_all(file) if isinstance(outcome, Failure)] == reasons


def test_a_bomb_in_a_tar_shows_its_size_in_the_listing(tmp_path: Path) -> None:
    (entry,) = scan_tar(str(pack(tmp_path / "a.tar", [("k.png", bomb())]))).entries
    assert (entry.height, entry.width) == (60000, 60000)


@pytest.mark.parametrize("name", ["../k.png", "/k.png", "a/../../k.png", "a\\k.png"])
def test_member_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    file = pack(tmp_path / "a.tar", [("good.png", encode(tissue())), (name, encode(tissue()))])
    for read in (lambda: scan_tar(str(file)), lambda: list(read_tar(str(file), 0, 2, {}))):
        with pytest.raises(SourceError, match="leads out of it"):
            read()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    file = pack_with_link(tmp_path / "a.tar", kind, "k.png")
    with pytest.raises(SourceError, match="no plain file"):
        scan_tar(str(file))
    with pytest.raises(SourceError, match="no plain file"):
        list(read_tar(str(file), 0, 2, {}))


def pack_with_link(file: Path, kind: bytes, name: str) -> Path:
    """Two whole samples, and between them a member that is no file."""
    with tarfile.open(file, "w") as tar:
        for each in ("a.png", name, "z.png"):
            info = tarfile.TarInfo(each)
            if each == name:
                info.type, info.linkname = kind, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(encode(tissue()))
                tar.addfile(info, io.BytesIO(encode(tissue())))
    return file


@pytest.mark.parametrize(("kind", "said"), [(tarfile.SYMTYPE, "symbolic"), (tarfile.LNKTYPE, "hard")])
@pytest.mark.parametrize("name", ["k.png", "a.seg.png"])
def test_a_link_costs_its_own_sample_alone(tmp_path: Path, kind: bytes, said: str, name: str) -> None:
    outcomes = read_all(pack_with_link(tmp_path / "a.tar", kind, name))
    bad = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [(each.key, each.reason) for each in bad] == [
        (
            name[0],
            f"{name} is a {said} link to '/etc/passwd', not a file (pack what links point to: "
            "tar -h for symbolic links, --hard-dereference for hard links)",
        )
    ]
    assert {outcome.key for outcome in outcomes} - {name[0]} == {"a", "z"} - {name[0]}


def test_a_link_that_has_no_samples_name_is_a_stray(tmp_path: Path) -> None:
    listing = scan_tar(str(pack_with_link(tmp_path / "a.tar", tarfile.SYMTYPE, "latest")))
    assert ([entry.reason for entry in listing.entries], listing.strays) == (["", ""], ("latest",))


ORDERS: dict[str, Any] = {
    "by kind": lambda name: (name.partition(".")[2], name),
    "woven": lambda name: (name[1:], name[0]),
    "backwards": lambda name: (name.partition(".")[2] == "png", name),
    "one late": lambda name: (name == "b.json", name),
    "one early": lambda name: (name != "c.seg.png", name),
}


@pytest.mark.parametrize("order", ORDERS)
def test_members_in_any_order_are_put_together(tmp_path: Path, order: str) -> None:
    whole: dict[str, bytes] = {}
    for seed, key in enumerate("abc"):
        parts = {"png": encode(tissue(seed=seed)), "seg.png": encode(class_ids(seed=seed)), "json": b'{"n": %d}' % seed}
        whole |= {f"{key}.{extension}": data for extension, data in parts.items()}
    names = sorted(whole, key=ORDERS[order])
    listing = scan_tar(str(pack(tmp_path / "a.tar", [(name, whole[name]) for name in names])))
    assert listing.apart
    assert {(e.height, e.width, e.mask) for e in listing.entries} == {(48, 64, f"{key}.seg.png") for key in "abc"}
    publish(tmp_path / "a.tar", "memory://apart/a.tar")
    samples = list(read_tar("memory://apart/a.tar", 0, 3, {}, apart=True))
    for sample in samples:
        assert isinstance(sample, Sample)
        assert sample.image == whole[f"{sample.key}.png"]
        assert sample.mask == whole[f"{sample.key}.seg.png"]
        assert sample.meta_text == whole[f"{sample.key}.json"].decode()
    assert {sample.key for sample in samples} == set("abc")


def test_a_tar_that_came_apart_since_it_was_planned_is_refused(tmp_path: Path) -> None:
    entries = [("a.png", encode(tissue())), ("b.png", encode(tissue())), ("a.json", b"{}")]
    with pytest.raises(SourceError, match="changed since it was planned"):
        list(read_tar(str(pack(tmp_path / "a.tar", entries)), 0, 3, {}))


def test_keys_are_told_apart_as_they_stand_in_the_tar(tmp_path: Path) -> None:
    entries = [("a/b.png", b"1"), ("a_b.jpg", b"2"), ("a_b.seg.png", b"3"), ("a b.png", b"4")]
    listing = scan_tar(str(pack(tmp_path / "a.tar", entries)))
    assert [(entry.key, entry.name, entry.mask) for entry in listing.entries] == [
        ("a_b", "a/b.png", ""),
        ("a_b", "a_b.jpg", "a_b.seg.png"),
        ("a_b", "a b.png", ""),
    ]


def test_a_name_in_another_coding_says_which_is_expected(tmp_path: Path) -> None:
    name = "Gewebestück.png".encode("latin-1").decode("utf-8", "surrogateescape")
    (entry,) = scan_tar(str(pack(tmp_path / "a.tar", [(name, encode(tissue()))]))).entries
    assert "is in another coding than UTF-8" in entry.reason
    assert entry.reason.isprintable()


@pytest.mark.parametrize("gap", [0, 512, 9 * 1024])
def test_what_follows_the_end_mark_is_named(tmp_path: Path, gap: int) -> None:
    one, two = write_shard(tmp_path / "a.tar"), write_shard(tmp_path / "b.tar")
    one.write_bytes(one.read_bytes() + bytes(gap) + two.read_bytes())
    with pytest.raises(SourceError, match="goes on after its end mark") as caught:
        scan_tar(str(one))
    assert "cat" in caught.value.hint


def test_padding_after_the_end_mark_is_no_fault(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.tar")
    file.write_bytes(file.read_bytes() + bytes(1 << 20))
    assert len(scan_tar(str(file)).entries) == 3


@pytest.mark.parametrize("named", ["{}", "file://{}"])
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, named: str) -> None:
    os.mkfifo(tmp_path / "a.tar")
    for read in (scan_tar, lambda url: list(read_tar(url, 0, 1, {}))):
        with pytest.raises(SourceError, match="no plain file"):
            read(named.format(tmp_path / "a.tar"))


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_compressed_tar_is_named_whatever_it_is_called(tmp_path: Path, kind: str) -> None:
    compress: Any = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[kind]
    file = write_shard(tmp_path / "a.tar")
    file.write_bytes(compress(file.read_bytes()))
    with pytest.raises(SourceError, match=f"is compressed .{kind}.") as caught:
        scan_tar(str(file))
    assert "gunzip" in caught.value.hint


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
