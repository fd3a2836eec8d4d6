"""Tars as a source: named by patterns, globs, folders and URLs, each key read once."""

from __future__ import annotations

from pathlib import Path

from augengine.sample import Failure, Sample
from augengine.shards import publish
from augengine.sources import TarsSource
from tests.support.sources import open_cd68, read_all, write_tar


def test_patterns_globs_folders_and_urls_name_the_same_tars(tmp_path: Path) -> None:
    folder = tmp_path / "x[1]"
    folder.mkdir()
    for i in range(3):
        write_tar(folder / f"s-{i}.tar", [f"k{i}"])
        write_tar(tmp_path / f"t-{i}.tar", [f"k{i}"])
        publish(write_tar(tmp_path / "u.tar", [f"k{i}"]), f"memory://tars/s-{i}.tar")
    texts = [folder, tmp_path / "t-{0..2}.tar", tmp_path / "t-*.tar", "memory://tars", "memory://tars/s-{0,1,2}.tar"]
    for text in (*map(str, texts), "memory://tars/s-*.tar"):
        source = open_cd68(text)
        assert isinstance(source, TarsSource)
        listing = source.scan()
        assert [entry.key for entry in listing.entries()] == ["k0", "k1", "k2"]
        assert listing.mpps == (0.25,)
        assert not listing.splits
        assert [outcome.key for outcome in read_all(source)] == ["k0", "k1", "k2"]


def test_a_key_that_an_earlier_tar_has_is_a_bad_sample(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", ["k", "l"])
    write_tar(tmp_path / "b.tar", ["l", "m"])
    outcomes = read_all(open_cd68(tmp_path))
    assert [type(outcome) for outcome in outcomes] == [Sample, Sample, Failure, Sample]
    assert "which is taken by" in outcomes[2].reason  # type: ignore[union-attr]
    assert outcomes[2].key == "l.png"
