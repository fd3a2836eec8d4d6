"""The order of an epoch, its shares and its variants, for any number of sources, shards and ranks."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augengine import pick
from augengine.errors import SpecError
from augengine.loader.order import Ranks, choose_variant, order_epoch, samples_per_rank, share, share_batches

SHARDS = st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any)
SEEDS, EPOCHS, WORLDS = st.integers(-3, 1 << 40), st.integers(0, 10_000), st.integers(1, 9)
SHUFFLES = st.integers(0, 150)


@given(SHARDS, SEEDS, EPOCHS, SHUFFLES)
def test_an_order_has_every_source_once_and_depends_on_its_arguments_alone(
    shards: list[int], seed: int, epoch: int, shuffle: int
) -> None:
    order = order_epoch(shards, seed=seed, epoch=epoch, shuffle=shuffle)
    assert sorted(order.tolist()) == list(range(sum(shards)))
    assert order.tolist() == order_epoch(shards, seed=seed, epoch=epoch, shuffle=shuffle).tolist()


@given(SHARDS, SEEDS, EPOCHS)
def test_without_a_shuffle_the_order_is_that_of_the_shards(shards: list[int], seed: int, epoch: int) -> None:
    assert order_epoch(shards, seed=seed, epoch=epoch, shuffle=0).tolist() == list(range(sum(shards)))


@given(st.integers(2, 100), SEEDS, EPOCHS, st.integers(1, 50))
def test_a_source_moves_by_fewer_places_than_the_shuffle(count: int, seed: int, epoch: int, shuffle: int) -> None:
    order = order_epoch([count], seed=seed, epoch=epoch, shuffle=shuffle)
    moved = np.abs(np.argsort(order) - np.arange(count)).max()
    assert moved < shuffle or shuffle >= count


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        tuple(order_epoch([30, 30], seed=seed, epoch=epoch, shuffle=shuffle).tolist())
        for seed in (0, 1)
        for epoch in range(3)
        for shuffle in (8, 1000)
    }
    assert len(orders) == 12


@given(SHARDS, SEEDS, EPOCHS, WORLDS, SHUFFLES, st.booleans())
def test_ranks_share_all_sources_in_equal_counts(
    shards: list[int], seed: int, epoch: int, world: int, shuffle: int, drop_last: bool
) -> None:
    count = sum(shards)
    order = order_epoch(shards, seed=seed, epoch=epoch, shuffle=shuffle)
    if drop_last and count < world:
        with pytest.raises(SpecError, match="fewer than"):
            samples_per_rank(count, world, drop_last=drop_last)
        return
    parts = [share(order, Ranks(rank=rank, world=world), epoch=epoch, drop_last=drop_last) for rank in range(world)]
    assert {len(part) for part in parts} == {samples_per_rank(count, world, drop_last=drop_last)}
    shown = Counter(int(i) for part in parts for i in part)
    again = [i for i, times in shown.items() if times > 1]
    if drop_last:
        assert len(shown) == count - count % world
        assert not again
    else:
        assert len(shown) == count
        assert sum(shown.values()) - count == -count % world


@given(st.integers(1, 60), WORLDS, st.integers(0, 1), SEEDS)
def test_what_does_not_divide_is_left_out_in_turn(count: int, world: int, shuffled: int, seed: int) -> None:
    rest = count % world
    if not rest or count < world:
        return
    left_out: Counter[int] = Counter()
    for epoch in range(count):
        order = order_epoch([count], seed=seed, epoch=epoch, shuffle=5 * shuffled)
        parts = [share(order, Ranks(rank=rank, world=world), epoch=epoch, drop_last=True) for rank in range(world)]
        left_out.update(set(range(count)) - {int(i) for part in parts for i in part})
    assert left_out == Counter(dict.fromkeys(range(count), rest))


@given(st.integers(0, 80), st.integers(1, 9), st.integers(1, 12))
def test_batches_are_the_same_for_any_number_of_workers(count: int, workers: int, batch_size: int) -> None:
    ordinals = np.arange(count)
    parts = [
        chunks(share_batches(ordinals, worker=worker, workers=workers, batch_size=batch_size).tolist(), batch_size)
        for worker in range(workers)
    ]
    in_turn = [batch for row in zip_longest(*parts) for batch in row if batch is not None]
    assert in_turn == chunks(ordinals.tolist(), batch_size)


def chunks(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


VARIANTS = st.sets(st.integers(0, 8), min_size=1).map(sorted)
PROBABILITIES = st.floats(0, 1)


@given(VARIANTS, PROBABILITIES, SEEDS, st.text(max_size=8), EPOCHS)
def test_the_variant_is_one_of_those_there_are(variants: list[int], p: float, seed: int, key: str, epoch: int) -> None:
    chosen = choose_variant(variants, p, seed, key, epoch)
    assert chosen in variants
    if p == 0 and 0 in variants:
        assert chosen == 0
    if p == 1 and len(variants) > 1:
        assert chosen != 0


@given(st.integers(0, 7), PROBABILITIES, SEEDS, st.text(max_size=8), EPOCHS)
def test_a_whole_source_follows_the_public_rule(variants: int, p: float, seed: int, key: str, epoch: int) -> None:
    assert choose_variant(range(variants + 1), p, seed, key, epoch) == pick(variants, p, seed, key, epoch)


@given(st.integers(1, 7), PROBABILITIES, SEEDS, st.text(max_size=8), EPOCHS)
def test_without_the_source_the_same_variant_is_shown_and_another_where_the_source_would_be(
    variants: int, p: float, seed: int, key: str, epoch: int
) -> None:
    whole = choose_variant(range(variants + 1), p, seed, key, epoch)
    alone = choose_variant(range(1, variants + 1), p, seed, key, epoch)
    assert alone == whole or whole == 0


@pytest.mark.parametrize(("rank", "world"), [(-1, 1), (1, 1), (0, 0), (4, 2)])
def test_a_rank_is_one_of_the_ranks(rank: int, world: int) -> None:
    with pytest.raises(SpecError, match="is not one of"):
        Ranks(rank=rank, world=world)
