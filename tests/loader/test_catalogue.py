"""What a dataset holds is read from its shards, whatever the user believes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import SourceError
from augengine.loader.account import describe, doubts
from augengine.loader.catalogue import Catalogue, read_catalogue
from augengine.shards import ShardWriter, members_of
from tests.support.pictures import class_ids, encode, tissue
from tests.support.small_shards import pack

PICTURE, MASK = encode(tissue(8, 8)), encode(class_ids(8, 8))


def sample(key: str, variant: int | None, *, mask: bool = True, **meta: Any) -> tuple[str, list[tuple[str, bytes]]]:
    """A stored sample; without a variant it is a source as any tool writes it."""
    own = {} if variant is None else {"source_key": key, "variant": variant, "noise_version": 1}
    name = key if variant is None else f"{key}-v{variant:04d}"
    return name, members_of(
        PICTURE, "png", mask=MASK if mask else None, json=json.dumps({**own, **meta}).encode(), extras={}
    )


def shard(file: Path, samples: Iterable[tuple[str, list[tuple[str, bytes]]]]) -> str:
    with ShardWriter(file) as writer:
        for key, members in samples:
            writer.add(key, members)
    return str(file)


def found(catalogue: Catalogue) -> dict[str, list[int]]:
    return {source.key: list(source.samples) for source in catalogue.sources}


def test_variants_are_counted_per_source_and_may_lie_in_other_shards(tmp_path: Path) -> None:
    tiles = shard(tmp_path / "tiles.tar", [sample("a", None), sample("b", None)])
    made = shard(tmp_path / "made.tar", [sample("b", 2), sample("a", 1), sample("b", 1), sample("c", 3)])
    catalogue = read_catalogue([tiles, made])
    assert found(catalogue) == {"a": [0, 1], "b": [0, 1, 2], "c": [3]}
    assert catalogue.shards == (2, 1)
    line = describe(catalogue, 0.5)
    assert "3 sources in 2 shards" in line
    assert "1 to 2 variants" in line
    assert "1 source not there itself" in line


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([sample("a", None), sample("b", None)], "no variants, each is shown as it is"),
        ([sample("a", 1), sample("b", 1)], "none is there itself, its one variant is always shown"),
        ([sample("a", 0), sample("a", 1)], "or with probability 0.25 as its one variant"),
        ([sample("a", 0), sample("a", 1), sample("a", 2)], "as one of its 2 variants"),
        ([sample("a", 1), sample("b", 0, variants=0)], "1 passed through, always shown as they are"),
        ([sample("a", 0, mask=False), sample("b", 0)], "1 source without a mask"),
    ],
)
def test_a_line_says_which_rule_holds(samples: list[Any], words: str, tmp_path: Path) -> None:
    assert words in describe(read_catalogue([shard(tmp_path / "s.tar", samples)]), 0.25)


def test_variants_that_were_lost_are_said(tmp_path: Path) -> None:
    written = [sample("a", 1, variants=2), sample("a", 2, variants=2), sample("b", 2, variants=2)]
    catalogue = read_catalogue([shard(tmp_path / "s.tar", written)])
    _, line = doubts(catalogue)
    assert "1 source has fewer variants than were written: b" in line
    whole = read_catalogue([shard(tmp_path / "t.tar", [sample("a", 0, variants=2), *written[:2]])])
    assert not list(doubts(whole))


def test_sources_that_are_not_there_themselves_are_said(tmp_path: Path) -> None:
    (line,) = doubts(read_catalogue([shard(tmp_path / "s.tar", [sample("a", 1, variants=1)])]))
    assert "augment with --include-source" in line


def test_a_sample_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    one = shard(tmp_path / "one.tar", [sample("a", 1)])
    other = shard(tmp_path / "other.tar", [sample("b", 1), sample("a", 1)])
    with pytest.raises(SourceError, match=r"variant 1 of a is there twice.*one\.tar and .*other\.tar"):
        read_catalogue([one, other])


def test_a_source_that_passed_through_counts_once_beside_its_source_shard(tmp_path: Path) -> None:
    tiles = shard(tmp_path / "tiles.tar", [sample("a", None), sample("b", None)])
    made = shard(tmp_path / "made.tar", [sample("a", 0, variants=0), sample("b", 1, variants=1)])
    assert found(read_catalogue([tiles, made])) == {"a": [0], "b": [0, 1]}


def test_a_split_or_a_function_of_the_json_chooses(tmp_path: Path) -> None:
    def own(patient: str, split: str) -> str:
        return json.dumps({"patient": patient, "split": split})

    samples = [
        sample("a", 0, source=own("anna", "train")),
        sample("a", 1, sigma=0.04, source=own("anna", "train")),
        sample("a", 2, sigma=0.01, source=own("anna", "train")),
        sample("b", 0, source=own("berta", "test")),
        sample("c", None, patient="carl", split="train"),
    ]
    urls = [shard(tmp_path / "s.tar", samples)]
    assert found(read_catalogue(urls, split="train")) == {"a": [0, 1, 2], "c": [0]}
    assert found(read_catalogue(urls, keep=lambda json: json["patient"] != "anna")) == {"b": [0], "c": [0]}
    assert found(read_catalogue(urls, split="train", keep=lambda json: "source_key" in json)) == {"a": [0, 1, 2]}
    strong = read_catalogue(urls, keep=lambda json: json.get("sigma", 0) <= 0.02)
    assert found(strong) == {"a": [0, 2], "b": [0], "c": [0]}
    assert "1 sample not asked for" in describe(strong, 0.5)
    with pytest.raises(SourceError, match=r"no sample of .* is in the split 'tarin'") as caught:
        read_catalogue(urls, split="tarin")
    assert caught.value.hint == "there are test, train"
    with pytest.raises(SourceError, match="keep= leaves out all 5 samples"):
        read_catalogue(urls, keep=lambda json: False)


def test_a_bad_sample_is_left_out_and_named(tmp_path: Path) -> None:
    good = [("a.png", PICTURE), ("a.json", b"{}")]
    bad = [("b.png", PICTURE), ("b.json", b"{"), ("c.png", PICTURE), ("c.json", b'{"variant": -1}')]
    lost = [("d.png", PICTURE), ("d.json", b'{"source_key": "d", "source": "["}')]
    catalogue = read_catalogue([str(pack(tmp_path / "s.tar", [*good, *bad, *lost]))])
    assert found(catalogue) == {"a": [0]}
    assert len(catalogue.bad) == 3
    (line,) = doubts(catalogue)
    assert line.startswith("3 bad samples left out: b.png in ")
    with pytest.raises(SourceError, match=r"no sample of .* can be shown") as caught:
        read_catalogue([str(pack(tmp_path / "t.tar", bad))])
    assert "b.png" in caught.value.hint


@pytest.mark.parametrize("mask", ["seg.png", "mask.png", "label.png"])
def test_masks_under_their_usual_names_are_masks(mask: str, tmp_path: Path) -> None:
    catalogue = read_catalogue([str(pack(tmp_path / "s.tar", [("a.jpg", PICTURE), (f"a.{mask}", MASK)]))])
    assert catalogue.sources[0].samples[0].mask is not None
