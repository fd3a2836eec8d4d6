"""A shard is listed equally by its index and by its headers, and an index that does not fit is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest

from augengine.errors import DamagedSource, SourceError
from augengine.shards.listed import list_shard, read_index
from augengine.shards.roles import MemberNames
from tests.support.small_shards import members, pack, write_shard

NAMES = MemberNames()


def without_index(file: Path) -> None:
    file.with_suffix(".idx").unlink()


def test_the_index_tells_what_the_headers_tell(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "s.tar")
    assert read_index(file) is not None
    indexed = list_shard(str(file), NAMES)
    without_index(file)
    assert read_index(file) is None
    assert list_shard(str(file), NAMES) == indexed
    assert sorted(group.key for group in indexed.grouped.samples) == ["tile_0", "tile_1", "tile_2"]
    assert [json.loads(data) for data in indexed.jsons.values()] == [{"mpp": 0.5}] * 3


def test_with_an_index_nothing_but_jsons_and_two_headers_is_read(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "s.tar")
    whole = list_shard(str(file), NAMES)
    data = bytearray(file.read_bytes())
    image = whole.grouped.samples[1].members[0]
    data[image.offset - 512 : image.offset + image.size] = bytes(512 + image.size)  # its header, too
    file.write_bytes(data)
    assert list_shard(str(file), NAMES) == whole


@pytest.mark.parametrize(
    "fault", ["other tar", "shorter", "longer", "v1.1", "garbage", "binary", "empty", "counts", "negative"]
)
def test_an_index_that_does_not_fit_its_tar_is_passed_over(fault: str, tmp_path: Path) -> None:
    file = write_shard(tmp_path / "s.tar", 2)
    index = file.with_suffix(".idx")
    text = index.read_text()
    if fault == "other tar":
        write_shard(tmp_path / "other" / "s.tar", 3)
        (tmp_path / "other" / "s.tar").replace(file)
    elif fault == "shorter":
        index.write_text("v1.2 1\n" + text.splitlines()[1] + "\n")
    elif fault == "longer":
        index.write_text("v1.2 3\n" + "\n".join([*text.splitlines()[1:], "png 99999999 5 tile_9.png"]) + "\n")
    elif fault == "binary":
        index.write_bytes(b"\xff\xfe" * 99)
    else:
        replaced = {
            "v1.1": text.replace("v1.2", "v1.1"),
            "garbage": "v1.2 1\na b c\n",
            "empty": "",
            "negative": "v1.2 1\njson -5 9 tile_0.json\n",
        }
        index.write_text(replaced.get(fault, text.replace("v1.2 2", "v1.2 7")))
    assert read_index(file) is None
    listed = list_shard(str(file), NAMES)
    without_index(file)
    assert listed == list_shard(str(file), NAMES)
    assert len(listed.grouped.samples) == (3 if fault == "other tar" else 2)


def test_a_shard_in_memory_is_listed_by_its_headers(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "s.tar")
    fsspec.filesystem("memory").pipe("/listed/s.tar", file.read_bytes())
    assert list_shard("memory://listed/s.tar", NAMES) == list_shard(str(file), NAMES)
    assert list_shard(f"file://{file}", NAMES) == list_shard(str(file), NAMES)


def test_members_that_are_not_next_to_each_other_are_brought_together(tmp_path: Path) -> None:
    both = [(f"tile_{i}.{name}", data) for i in range(2) for name, data in members(i)]
    listed = list_shard(str(pack(tmp_path / "s.tar", sorted(both, key=lambda each: each[0][7:]))), NAMES)
    assert [len(group.members) for group in listed.grouped.samples] == [3, 3]


def test_a_shard_that_is_gone_or_cut_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no"):
        list_shard(str(tmp_path / "s.tar"), NAMES)
    file = write_shard(tmp_path / "s.tar")
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DamagedSource):
        list_shard(str(file), NAMES)
