"""Index files of one epoch: they list the samples that `open_dataset` shows, and point at the same bytes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from augengine import open_dataset
from augengine.errors import SourceError, SpecError
from augengine.loader import write_epoch_index
from augengine.shards.listed import read_index
from tests.support.datasets import make
from tests.support.pictures import encode, tissue, write_folder

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Path:
    """Seven sources with two variants each, in three shards; patients anna and berta."""
    folder = tmp_path_factory.mktemp("epochs")
    tiles = write_folder(folder / "tiles", [f"tile_{i}" for i in range(7)], masks=True)
    for i in range(7):
        (tiles / f"tile_{i}.json").write_text(f'{{"patient": "{"anna" if i < 3 else "berta"}"}}')
    make(tiles, folder / "shards", small_weights, variants=2, include_source=True, samples_per_shard=3)
    return folder / "shards"


def listed(indexes: list[str]) -> list[str]:
    """The keys that some index files list."""
    lines = [line for index in indexes for line in Path(index).read_text().splitlines()[1:]]
    return [line.split(" ")[3].partition(".")[0] for line in lines]


def test_an_epochs_index_lists_what_open_dataset_shows(shards: Path, tmp_path: Path) -> None:
    dataset = open_dataset(shards, p=0.7, seed=3)
    seen = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        tars, indexes = write_epoch_index(shards, tmp_path / str(epoch), epoch=epoch, p=0.7, seed=3)
        assert sorted(listed(indexes)) == sorted(sample["__key__"] for sample in dataset)
        assert len(tars) == len(indexes) == 3
        seen.append(sorted(listed(indexes)))
    assert len({tuple(keys) for keys in seen}) > 1


def test_its_lines_are_those_of_the_shards_own_index(shards: Path, tmp_path: Path) -> None:
    tars, indexes = write_epoch_index(shards, tmp_path / "new" / "folder", epoch=0)
    for tar, index in zip(tars, indexes, strict=True):
        version, *lines = Path(index).read_text().splitlines()
        assert version == f"v1.2 {len(lines)}"
        assert set(lines) <= set(Path(tar).with_suffix(".idx").read_text().splitlines())


def test_only_shards_of_which_something_is_shown_are_named(shards: Path, tmp_path: Path) -> None:
    tars, indexes = write_epoch_index(shards, tmp_path, epoch=0, keep=lambda json: json["patient"] == "anna")
    assert [Path(tar).name for tar in tars] == ["cd68-000000.tar"]
    assert len(listed(indexes)) == 3


def test_a_shard_without_an_index_that_fits_is_refused(shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tar"
    copy.write_bytes((shards / "cd68-000000.tar").read_bytes())
    with pytest.raises(SourceError, match="has no index beside it that fits") as caught:
        write_epoch_index(copy, tmp_path / "out", epoch=0)
    assert "wds2idx" in caught.value.hint
    assert read_index(copy) is None


def test_values_out_of_range_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="p must be"):
        write_epoch_index(shards, tmp_path, epoch=0, p=2.0)
    with pytest.raises(SpecError, match="cannot be negative"):
        write_epoch_index(shards, tmp_path, epoch=-1)


def test_a_folder_that_holds_shards_is_refused(shards: Path) -> None:
    before = sorted(file.name for file in shards.iterdir())
    with pytest.raises(SpecError, match="holds shards, whose own indexes would be replaced"):
        write_epoch_index(shards, shards, epoch=0)
    assert sorted(file.name for file in shards.iterdir()) == before


def test_keys_that_are_cleaned_are_found_by_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "s.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        lines = []
        for name in ("a/x.png", "a/y.png"):
            data, info = encode(tissue()), tarfile.TarInfo(name)
            info.size, at = len(data), tar.offset
            tar.addfile(info, io.BytesIO(data))
            lines.append(f"png {at + tarfile.BLOCKSIZE} {len(data)} {name}")
    (tmp_path / "in" / "s.idx").write_text("\n".join(["v1.2 2", *lines]) + "\n")
    _, indexes = write_epoch_index(tmp_path / "in", tmp_path / "out", epoch=0)
    assert sorted(listed(indexes)) == ["a/x", "a/y"]


def test_what_is_in_doubt_is_said_as_open_dataset_says_it(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="augengine.loader"):
        open_dataset(shards)
        said = list(caplog.messages)
        caplog.clear()
        write_epoch_index(shards, tmp_path, epoch=0)
    assert caplog.messages == said != []
