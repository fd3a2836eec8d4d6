"""An epoch that was interrupted goes on with exactly what the training loop has not taken yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from augengine import open_dataset
from augengine.errors import SpecError
from augengine.loader.dataset import SourceDataset
from tests.support.loader_epochs import SOURCES, Library, loader

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_weights: Path) -> Path:
    library = Library(tmp_path_factory.mktemp("library"), small_weights)
    return library.dataset(3, with_source=True, shards=1)


def opened(folder: Path, **options: Any) -> SourceDataset:
    return open_dataset(folder, seed=1, shuffle=4, **options)


def key_of(sample: dict[str, Any]) -> str:
    return str(sample["__key__"])


@pytest.mark.parametrize(("before", "after", "taken"), [(0, 0, 4), (2, 2, 5), (2, 0, 1), (0, 2, 10), (2, 1, SOURCES)])
def test_the_rest_of_an_epoch_follows_in_order(before: int, after: int, taken: int, folder: Path) -> None:
    whole = opened(folder)
    whole.set_epoch(2)
    order = list(map(key_of, whole))
    first = opened(folder)
    first.set_epoch(2)
    for number, sample in enumerate(loader(first, before), start=1):
        first.took(sample)
        if number == taken:
            break
    state = json.loads(json.dumps(first.state_dict()))
    second = opened(folder)
    second.load_state_dict(state)
    assert second.epoch == 2
    second.set_epoch(2)  # as the head of a training loop says again
    assert list(map(key_of, loader(second, after))) == order[taken:]
    second.set_epoch(3)
    assert len(list(loader(second, after))) == SOURCES


def test_without_workers_what_was_taken_needs_no_word(folder: Path) -> None:
    dataset = opened(folder)
    samples = iter(DataLoader(dataset, batch_size=2))
    taken = [key for _ in range(3) for key in next(samples)["__key__"]]
    other = opened(folder)
    other.load_state_dict(dataset.state_dict())
    assert sorted(taken + list(map(key_of, other))) == sorted(map(key_of, opened(folder)))


def test_batches_of_several_workers_are_taken_whole(folder: Path) -> None:
    dataset = opened(folder)
    taken: list[str] = []
    for number, batch in enumerate(DataLoader(dataset, batch_size=2, num_workers=2)):
        taken += batch["__key__"]
        dataset.took(batch["ordinal"])
        if number == 2:
            break
    other = opened(folder)
    other.load_state_dict(dataset.state_dict())
    rest = [key for batch in DataLoader(other, batch_size=3, num_workers=1) for key in batch["__key__"]]
    assert sorted(taken + rest) == sorted(map(key_of, opened(folder)))


def test_a_second_interruption_keeps_what_the_first_one_knew(folder: Path) -> None:
    order = list(map(key_of, opened(folder)))
    state: dict[str, Any] | None = None
    shown: list[str] = []
    while len(shown) < SOURCES:
        dataset = opened(folder)
        if state is not None:
            dataset.load_state_dict(state)
        for number, sample in enumerate(loader(dataset, 2)):
            dataset.took(sample["ordinal"])
            shown.append(key_of(sample))
            if number == 3:
                break
        state = dataset.state_dict()
    assert shown == order


def test_a_state_that_nobody_told_what_was_taken_is_refused(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.state_dict()["taken"] == []
    samples = iter(loader(dataset, 1))
    next(samples)
    with pytest.raises(SpecError) as caught:
        dataset.state_dict()
    assert "took" in caught.value.hint
    dataset.set_epoch(1)
    assert dataset.state_dict() | {"epoch": 0} == opened(folder).state_dict()


@pytest.mark.parametrize("options", [{"p": 0.25}, {"drop_last": True}, {"keep": lambda json: json["variant"] < 2}])
def test_a_state_of_another_dataset_is_refused(options: dict[str, Any], folder: Path) -> None:
    with pytest.raises(SpecError, match="the state is of"):
        opened(folder, **options).load_state_dict(opened(folder).state_dict())


def test_a_state_of_other_ranks_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(folder).state_dict()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SpecError, match="the state is of world 1, here it is 2"):
        opened(folder).load_state_dict(state)


@pytest.mark.parametrize("state", [{}, {"epoch": 0}, {"taken": []}])
def test_what_is_no_state_is_refused(state: dict[str, Any], folder: Path) -> None:
    with pytest.raises(SpecError, match="the state has no"):
        opened(folder).load_state_dict(state)


@pytest.mark.parametrize("ordinals", [-1, SOURCES, [0, 99], 1.5, {"image": 1}, "a"])
def test_what_is_no_ordinal_is_refused(ordinals: Any, folder: Path) -> None:
    with pytest.raises(SpecError):
        opened(folder).took(ordinals)
