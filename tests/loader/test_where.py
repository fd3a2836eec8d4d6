"""What a user calls a dataset, and what is no dataset: an error at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import pytest

from augengine.errors import AugengineError, SourceError, SpecError
from augengine.loader.catalogue import read_catalogue
from augengine.loader.where import find_shards
from tests.support.small_shards import write_shard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    for i in range(3):
        write_shard(folder / "shards" / f"s-{i:06d}.tar", 1)
    (folder / "empty").mkdir()
    (folder / "shards" / "README.md").write_text("a card")
    (folder / "shards" / "sheet.png").write_bytes(b"a picture")
    (folder / "shards" / "._s-000000.tar").write_bytes(b"what macOS leaves")
    (folder / "plain.txt").write_text("no shard")
    return folder


def names(where: Any) -> list[str]:
    return [url.rpartition("/")[2] for url in find_shards(where).urls]


def test_every_name_of_the_same_shards_finds_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    three = ["s-000000.tar", "s-000001.tar", "s-000002.tar"]
    spellings: list[Any] = [
        "shards",
        "shards/",
        Path("shards"),
        folder / "shards",
        "shards/*.tar",
        "shards/s-00000?.tar",
        "shards/s-{000000..000002}.tar",
        "shards/s-{000000,00000[12]}.tar",
        [f"shards/{name}" for name in three],
        (Path("shards") / name for name in three),
        ["shards/s-000000.tar", "shards/s-{000001..000002}.tar"],
        ["shards", "shards/s-000001.tar"],
        f"file://{folder}/shards",
        f"file://{folder}/shards/*.tar",
    ]
    for where in spellings:
        assert names(where) == three, where
    assert names("shards/s-000001.tar") == ["s-000001.tar"]
    assert all(Path(url).is_absolute() for url in find_shards("shards/*.tar").urls)


def test_a_folder_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    write_shard(tmp_path / "run [1] {a,b}" / "s.tar", 1)
    assert names(tmp_path / "run [1] {a,b}") == names(tmp_path / "run [1] {a,b}" / "s.tar") == ["s.tar"]


def test_shards_in_memory_are_found_by_url(folder: Path) -> None:
    store = fsspec.filesystem("memory")
    for i in range(3):
        name = f"s-{i:06d}.tar"
        store.pipe(f"/named/{name}", (folder / "shards" / name).read_bytes())
    for where in ("memory://named", "memory://named/*.tar", "memory://named/s-{000000..000002}.tar"):
        assert names(where) == ["s-000000.tar", "s-000001.tar", "s-000002.tar"], where
    assert len(read_catalogue(find_shards("memory://named/s-000001.tar").urls).sources) == 1


@pytest.mark.parametrize(
    "where",
    [
        "absent",
        "absent/",
        "empty",
        "absent/*.tar",
        "shards/*.tarr",
        "shards/s-{000000..000003}.tar",
        "shards/s-{0..99999999999}.tar",
        "plain.txt",
        "",
        "memory://nowhere",
        "memory://nowhere/*.tar",
        "memory://nowhere/s.tar",
        "nosuch://shards/s.tar",
        "s3://user:secret@shards/s.tar",
        [],
        ["shards", "absent"],
        None,
        3,
        b"shards",
        [None],
    ],
    ids=str,
)
def test_what_names_no_shard_is_an_error_at_once(where: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises((SourceError, SpecError)):
        read_catalogue(find_shards(where).urls)


@pytest.mark.parametrize("kind", ["text", "empty", "gzip", "cut", "pipe", "folder"])
def test_what_is_no_shard_though_it_is_called_one_is_an_error_at_once(kind: str, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    whole = (folder / "shards" / "s-000000.tar").read_bytes()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        (file / "below").mkdir(parents=True)
    else:
        file.write_bytes({"text": b"no tar" * 200, "empty": b"", "gzip": b"\x1f\x8b" * 99, "cut": whole[:900]}[kind])
    with pytest.raises(AugengineError):
        read_catalogue(find_shards(file).urls)


def test_compressed_tars_beside_shards_are_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "b.tar", 1)
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b")
    found = find_shards(tmp_path)
    assert [Path(url).name for url in found.urls] == ["b.tar"]
    assert "a.tar.gz" in found.left_out[0]
    (tmp_path / "b.tar").unlink()
    with pytest.raises(SourceError) as caught:
        find_shards(tmp_path)
    assert "a.tar.gz" in caught.value.hint
