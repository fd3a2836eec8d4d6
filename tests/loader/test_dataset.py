"""Each source once per epoch, whatever shards, ranks and workers it is read with."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from augengine import open_dataset
from augengine.errors import SpecError
from augengine.storage import UrlPath
from tests.support.datasets import members, record
from tests.support.loader_epochs import SEED, SOURCES, Library, epoch_of, expected, loader
from tests.support.pictures import decode
from tests.support.places import ROOT

pytestmark = pytest.mark.e2e

VARIANTS = (1, 2, 3, 4, 7)
# Each pair of values of variants, sources, shards and workers at least once.
PAIRWISE = [
    (1, True, 1, 0), (1, False, 5, 2), (1, True, 5, 1),
    (2, False, 1, 1), (2, True, 5, 0), (2, True, 1, 2),
    (3, True, 5, 2), (3, False, 1, 0), (3, False, 5, 1),
    (4, False, 5, 0), (4, True, 1, 1), (4, False, 1, 2),
    (7, True, 1, 2), (7, False, 5, 1), (7, True, 5, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Library:
    return Library(tmp_path_factory.mktemp("library"), small_weights)


def check_epochs(folder: Path, variants: int, *, with_source: bool, workers: int, epochs: range = range(2)) -> None:
    dataset = open_dataset(folder, seed=SEED, shuffle=5)
    assert len(dataset) == SOURCES
    for epoch in epochs:
        shown = epoch_of(dataset, workers, epoch)
        assert Counter(shown) == expected(variants, with_source=with_source, epoch=epoch), epoch


@pytest.mark.parametrize(("variants", "with_source", "shards", "workers"), PAIRWISE)
def test_an_epoch_shows_each_source_once_by_the_rule(
    variants: int, with_source: bool, shards: int, workers: int, library: Library
) -> None:
    folder = library.dataset(variants, with_source=with_source, shards=shards)
    check_epochs(folder, variants, with_source=with_source, workers=workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2, 8])
@pytest.mark.parametrize("shards", [1, 5])
def test_an_epoch_shows_each_source_once_in_all_combinations(workers: int, shards: int, library: Library) -> None:
    for variants, with_source in product(VARIANTS, (True, False)):
        folder = library.dataset(variants, with_source=with_source, shards=shards)
        check_epochs(folder, variants, with_source=with_source, workers=workers, epochs=range(3))


def run_ranks(world: int, jobs: list[Any], folder: Path) -> list[list[dict[str, Any]]]:
    """What each rank of a process group found of some jobs: folder, workers, epoch, drop_last."""
    folder.mkdir(parents=True)
    (folder / "jobs.json").write_text(json.dumps(jobs))
    outs = [folder / f"{rank}.json" for rank in range(world)]
    command = [sys.executable, "-m", "tests.support.loader_epochs"]
    own = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    own |= {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(world), str(folder / "meeting"), str(folder / "jobs.json"), str(out)], env=own
        )
        for rank, out in enumerate(outs)
    ]
    assert [rank.wait(timeout=900) for rank in ranks] == [0] * world
    return [json.loads(out.read_text()) for out in outs]


def check_ranks(world: int, cases: list[tuple[int, bool, int, int]], library: Library, folder: Path) -> None:
    jobs = [
        (str(library.dataset(variants, with_source=with_source, shards=shards)), workers, epoch, drop_last)
        for epoch, (variants, with_source, shards, workers) in enumerate(cases)
        for drop_last in (False, True)
    ]
    for job, parts in zip(jobs, zip(*run_ranks(world, jobs, folder), strict=True), strict=True):
        _, _, epoch, drop_last = job
        variants, with_source = cases[epoch][:2]
        wanted = expected(variants, with_source=with_source, epoch=epoch)
        shown = Counter((key, variant) for part in parts for key, variant in part["shown"])
        each = SOURCES // world if drop_last else -(-SOURCES // world)
        assert [(part["length"], len(part["shown"])) for part in parts] == [(each, each)] * world
        assert set(shown) <= set(wanted)
        assert len(shown) == (each * world if drop_last else SOURCES)


def test_two_ranks_of_a_process_group_show_what_one_shows(library: Library, tmp_path: Path) -> None:
    check_ranks(2, PAIRWISE[::3] + PAIRWISE[1:9:7], library, tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_of_a_process_group_show_what_one_shows_in_all_combinations(
    world: int, library: Library, tmp_path: Path
) -> None:
    cases = [*product(VARIANTS, (True, False), (1, 5), (0, 2)), (3, True, 1, 8), (7, False, 5, 8)]
    check_ranks(world, cases, library, tmp_path / "all")


def test_the_environment_names_ranks_where_no_process_group_does(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "augengine.loader")
    dataset = open_dataset(library.dataset(2, with_source=True, shards=1), seed=SEED)
    monkeypatch.setenv("WORLD_SIZE", "3")
    shown: Counter[tuple[str, int]] = Counter()
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        assert len(dataset) == 4
        shown.update(epoch_of(dataset, 0, 6))
    assert set(shown) == set(expected(2, with_source=True, epoch=6))
    assert shown.total() == 12
    assert "epoch 6: 11 sources do not divide by 3 ranks, 1 shown a second time" in caplog.text
    for wrong, world in (("3", "3"), ("one", "3"), ("-1", "3"), ("", "2")):
        monkeypatch.setenv("RANK", wrong)
        monkeypatch.setenv("WORLD_SIZE", world)
        with pytest.raises(SpecError):
            len(dataset)


def test_ranks_reach_workers_that_are_not_forked(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(library.dataset(1, with_source=True, shards=1), seed=SEED)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    dataset.set_epoch(4)
    own = [sample["__key__"] for sample in loader(dataset, 0)]
    spawned = DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    iterator = iter(spawned)
    monkeypatch.delenv("RANK")
    assert [sample["__key__"] for sample in iterator] == own


def test_persistent_workers_follow_the_epoch(library: Library) -> None:
    dataset = open_dataset(library.dataset(3, with_source=True, shards=1), seed=SEED)
    kept = loader(dataset, 2, persistent=True)
    for epoch in (0, 1, 2, 1):
        dataset.set_epoch(epoch)
        shown = Counter((sample["source_key"], sample["variant"]) for sample in kept)
        assert shown == expected(3, with_source=True, epoch=epoch)


def test_the_order_is_the_same_for_any_number_of_workers_and_another_in_each_epoch(library: Library) -> None:
    dataset = open_dataset(library.dataset(2, with_source=True, shards=5), seed=SEED, shuffle=4)
    orders = [[epoch_of(dataset, workers, epoch) for workers in (0, 2)] for epoch in range(2)]
    assert all(one == other for one, other in orders)
    assert [key for key, _ in orders[0][0]] != [key for key, _ in orders[1][0]]
    unshuffled = open_dataset(library.dataset(2, with_source=True, shards=1), shuffle=0)
    assert [key for key, _ in epoch_of(unshuffled, 0, 1)] == [f"tile_{i}" for i in range(SOURCES)]


def test_a_sample_holds_what_the_shard_holds(library: Library) -> None:
    folder = library.dataset(2, with_source=True, shards=1)
    stored = members(folder)
    for sample in open_dataset(folder):
        key = sample["__key__"]
        assert isinstance(sample["image"], torch.Tensor)
        assert (sample["image"].dtype, sample["mask"].dtype) == (torch.uint8, torch.uint8)
        assert np.array_equal(sample["image"].permute(1, 2, 0).numpy(), decode(stored[f"{key}.png"]))
        assert np.array_equal(sample["mask"].numpy(), decode(stored[f"{key}.seg.png"]))
        assert sample["json"] == (said := record(folder, key))
        assert [sample[name] for name in ("source_key", "variant", "sigma", "mpp")] == [
            said[name] for name in ("source_key", "variant", "sigma", "mpp")
        ]


def test_batches_are_collated_and_a_transform_decides_what_they_are(library: Library) -> None:
    folder = library.dataset(2, with_source=True, shards=1)
    batches = list(DataLoader(open_dataset(folder), batch_size=4))
    assert [batch["image"].shape for batch in batches] == [(4, 3, 48, 64), (4, 3, 48, 64), (3, 3, 48, 64)]
    pairs = list(DataLoader(open_dataset(folder, transform=_pair), batch_size=4, num_workers=2))
    assert sum(len(images) for images, _ in pairs) == SOURCES
    assert {images.dtype for images, _ in pairs} == {torch.float32}


@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_of_several_workers_are_those_of_none(drop_last: bool, library: Library) -> None:
    folder = library.dataset(2, with_source=True, shards=5)
    batches = []
    for workers in (0, 2):
        dataset = open_dataset(folder, seed=SEED, batch_size=4)
        batched = DataLoader(dataset, batch_size=4, num_workers=workers, drop_last=drop_last)
        batches.append([batch["__key__"] for batch in batched])
        assert len(batched) == len(batches[-1])
    assert batches[0] == batches[1]
    assert sum(map(len, batches[0])) == (8 if drop_last else SOURCES)


def _pair(sample: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    return sample["image"] / 255, sample["mask"]


def test_an_epoch_that_is_shown_again_is_warned_of(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    dataset = open_dataset(library.dataset(2, with_source=True, shards=1))
    list(dataset)
    assert "set_epoch" not in caplog.text
    list(dataset)
    assert "epoch 0 is shown again, with the same variants: call set_epoch" in caplog.text


def test_opening_says_what_was_found(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "augengine.loader")
    open_dataset(library.dataset(2, with_source=False, shards=5))
    assert caplog.messages == [
        "11 sources in 5 shards: none is there itself, one of its 2 variants is always shown",
        "no source is there itself, so all that is shown are variants: augment with --include-source",
    ]


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda dataset: pickle.loads(pickle.dumps(dataset))])  # noqa: S301
def test_a_copy_has_an_epoch_of_its_own_that_reaches_its_workers(make_copy: Any, library: Library) -> None:
    dataset = open_dataset(library.dataset(3, with_source=True, shards=1), seed=SEED)
    other = make_copy(dataset)
    kept = loader(other, 1, persistent=True)
    for epoch in range(2):
        other.set_epoch(epoch)
        shown = Counter((sample["source_key"], sample["variant"]) for sample in kept)
        assert shown == expected(3, with_source=True, epoch=epoch)
    assert dataset.epoch == 0


@pytest.mark.parametrize(
    "options",
    [{"p": 1.5}, {"p": -0.1}, {"p": float("nan")}, {"p": "half"}, {"seed": 1.5}, {"seed": None}, {"shuffle": -1},
     {"shuffle": 2.5}, {"shuffle": None}, {"batch_size": 0}, {"batch_size": 1.5}, {"batch_size": True}],
    ids=str,
)  # fmt: skip
def test_options_outside_their_range_are_refused(options: dict[str, Any], library: Library) -> None:
    with pytest.raises(SpecError):
        open_dataset(library.sources(1), **options)


@pytest.mark.parametrize("epoch", [-1, 1.5, None, "1", True])
def test_an_epoch_is_a_count(epoch: Any, library: Library) -> None:
    with pytest.raises(SpecError, match="an epoch is"):
        open_dataset(library.sources(1)).set_epoch(epoch)


def test_sources_alone_and_beside_their_variants_are_read(library: Library) -> None:
    alone = open_dataset(library.sources(5))
    assert Counter(epoch_of(alone, 0, 0)) == {(f"tile_{i}", 0): 1 for i in range(SOURCES)}
    both = open_dataset([library.sources(5), library.dataset(3, with_source=False, shards=5)], seed=SEED)
    assert Counter(epoch_of(both, 2, 1)) == expected(3, with_source=True, epoch=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_on_a_store_are_read_by_url(workers: int, library: Library, s3_folder: UrlPath) -> None:
    local = library.dataset(2, with_source=True, shards=5)
    for file in sorted(local.glob("*.tar")):
        s3_folder.filesystem.put_file(str(file), str(s3_folder / file.name))
    for where in (str(s3_folder), f"{s3_folder}/*.tar"):
        dataset = open_dataset(where, seed=SEED)
        assert Counter(epoch_of(dataset, workers, 1)) == expected(2, with_source=True, epoch=1)
    nearby = {sample["__key__"]: sample["image"] for sample in open_dataset(local, seed=SEED)}
    assert all(torch.equal(sample["image"], nearby[sample["__key__"]]) for sample in open_dataset(where, seed=SEED))
