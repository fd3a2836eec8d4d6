"""What an epoch shows and in which order: pure functions of seed, epoch and rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augengine.draws.choose import pick
from augengine.draws.philox import derive_key
from augengine.errors import SpecError
from augengine.sample import SOURCE_VARIANT

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Which of several processes that train together this one is."""

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            hint = "is the environment's RANK or WORLD_SIZE left from another training?"
            raise SpecError(f"rank {self.rank} is not one of {self.world} ranks", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRule:
    """What decides an epoch beside its number and what there is to show.

    Attributes:
        p: Probability of showing a variant, in [0, 1].
        seed: The training's.
        shuffle: Places by which a source may move; 0 keeps the order of the shards.
        drop_last: Whether sources that do not divide by the ranks are left out.
    """

    p: float = 0.5
    seed: int = 0
    shuffle: int = 1000
    drop_last: bool = False

    def __post_init__(self) -> None:
        numbers = (("p", self.p, int | float), ("seed", self.seed, int), ("shuffle", self.shuffle, int))
        for name, value, kind in numbers:
            if isinstance(value, bool) or not isinstance(value, kind):
                raise SpecError(f"{name} must be a {'whole ' * (kind is int)}number, got {value!r}")
        if not 0 <= self.p <= 1:
            raise SpecError(f"p must be in [0, 1], got {self.p}", hint="the paper uses p = 0.5")
        if self.shuffle < 0:
            raise SpecError(f"shuffle cannot be negative, got {self.shuffle}", hint="0 keeps the order of the shards")

    def choose(self, variants: Iterable[int], key: str, epoch: int) -> int:
        """Which of the samples of a source an epoch shows; see `choose_variant`."""
        return choose_variant(list(variants), self.p, self.seed, key, epoch)

    def order(self, shards: Sequence[int], ranks: Ranks, epoch: int) -> Indices:
        """The numbers of the sources that a rank shows in an epoch, in order; see `order_epoch` and `share`."""
        order = order_epoch(shards, seed=self.seed, epoch=epoch, shuffle=self.shuffle)
        return share(order, ranks, epoch=epoch, drop_last=self.drop_last)


def choose_variant(variants: Sequence[int], p: float, seed: int, key: str, epoch: int) -> int:
    """Which of the samples of a source an epoch shows, by the rule of `augengine.draws.choose.pick`.

    Args:
        variants: The variants that there are, ascending; 0 is the source itself, which may be missing. Then one of the
            variants is shown where the source would be.
        p: Probability of showing a variant.
        seed: The training's.
        key: The source's key.
        epoch: 0, 1, 2, ...

    Returns:
        One of ``variants``.
    """
    made = [variant for variant in variants if variant != SOURCE_VARIANT]
    which = pick(len(made), p if SOURCE_VARIANT in variants else 1.0, seed, key, epoch)
    return made[which - 1] if which else SOURCE_VARIANT


def order_epoch(shards: Sequence[int], *, seed: int, epoch: int, shuffle: int) -> Indices:
    """The order in which an epoch shows all sources.

    Args:
        shards: Sources per shard. Sources are numbered through the shards.
        seed: The training's.
        epoch: 0, 1, 2, ...
        shuffle: 0 keeps the order. Otherwise the shards come in a random order, and within that each source moves back
            by fewer places than this. At least as many as there are sources: every order is as likely as any other.

    Returns:
        Each of 0 ... ``sum(shards) - 1`` once.
    """
    count = sum(shards)
    if not shuffle:
        return np.arange(count)
    random = np.random.Generator(np.random.Philox(key=derive_key(seed, f"order of epoch {epoch}")))
    if shuffle >= count:
        return random.permutation(count)
    firsts = np.cumsum([0, *shards])
    order = np.concatenate([np.arange(firsts[i], firsts[i + 1]) for i in random.permutation(len(shards))])
    return order[np.argsort(np.arange(count) + shuffle * random.random(count), kind="stable")]


def samples_per_rank(count: int, world: int, *, drop_last: bool) -> int:
    """How many samples each rank shows of ``count`` sources: equally many.

    Raises:
        SpecError: The rest is left out, and nothing else is there.
    """
    if drop_last and count < world:
        hint = "leave drop_last out, or train with fewer ranks"
        raise SpecError(
            f"{count} sources are fewer than {world} ranks, and drop_last leaves all of them out", hint=hint
        )
    return count // world if drop_last else -(-count // world)


def share(order: Indices, ranks: Ranks, *, epoch: int, drop_last: bool) -> Indices:
    """The part of an epoch's order that a rank shows.

    Args:
        order: The epoch's.
        ranks: Which rank.
        epoch: With ``drop_last`` it decides which sources are left out: each in its turn, epoch after epoch.
        drop_last: Whether the rest that does not divide by the ranks is left out. Otherwise the first sources of the
            epoch are shown again.

    Returns:
        Numbers of sources; every rank gets equally many.

    Raises:
        SpecError: As in `samples_per_rank`.
    """
    count = len(order)
    each = samples_per_rank(count, ranks.world, drop_last=drop_last)
    rest = count - each * ranks.world
    if rest > 0:
        order = order[~np.isin(order, (epoch * rest + np.arange(rest)) % count)]
    elif rest < 0:
        order = np.concatenate([order, np.resize(order, -rest)])
    return order[ranks.rank :: ranks.world]


def share_batches(ordinals: Indices, *, worker: int, workers: int, batch_size: int) -> Indices:
    """The part of a rank's samples that one worker of its DataLoader shows: whole batches, in turn.

    The DataLoader takes a batch of each worker in turn. So the batches are those of a single worker, in the same order,
    and only the last one of the rank may be smaller.
    """
    batches: Indices = np.arange(len(ordinals)) // batch_size
    return ordinals[np.equal(batches % workers, worker)]
