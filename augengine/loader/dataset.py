"""The dataset that a torch DataLoader reads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing import parent_process
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from augengine.draws.choose import pick
from augengine.errors import SpecError
from augengine.loader.account import describe, doubts
from augengine.loader.catalogue import Catalogue, Keep, Stored, read_catalogue
from augengine.loader.decode import SampleReader
from augengine.loader.order import Indices, Ranks, choose_variant, order_epoch, samples_per_rank, share
from augengine.loader.ranks import find_ranks
from augengine.loader.where import Where, find_shards

Transform = Callable[[dict[str, Any]], Any]

_LOG = logging.getLogger("augengine.loader")
_ORDINAL = "ordinal"


def open_dataset(
    where: Where | Iterable[Where],
    *,
    split: str | None = None,
    keep: Keep | None = None,
    p: float = 0.5,
    seed: int = 0,
    transform: Transform | None = None,
    shuffle: int = 1000,
    drop_last: bool = False,
) -> SourceDataset:
    """Open shards for a torch DataLoader: each source once per epoch, as itself or as one of its variants.

    What is shown of a source is a keyed draw of (``seed``, key, epoch), see `augengine.pick`: it depends on no rank and
    no worker. How many variants there are is read from the shards. A source that is not there itself (``augment``
    without ``--include-source``) is always shown as a variant. The logger ``augengine.loader`` says what was found.

    Args:
        where: A folder of shards, a tar, a glob, a brace pattern, a URL of one of these, or a list.
        split: Only sources of this split, by the field ``split`` of their json, as `augengine tile` writes it.
        keep: Says of a sample's json whether it is wanted, before anything is decoded. The json comes with the fields
            of the source's own json beside its own: ``keep=lambda json: json["patient"] != "anna"``.
        p: Probability of showing a variant instead of the source, in [0, 1].
        seed: Decides order and variants.
        transform: Called with the sample, a dict (see `SourceDataset`); what it returns is shown instead.
        shuffle: Places by which a source may move from where it lies in the shards, which come in random order; 0 for
            the order of the shards.
        drop_last: With several ranks leave out the sources that do not divide, others in each epoch, instead of showing
            the first ones of the epoch again.

    Raises:
        SourceError: ``where`` names no shard, a shard cannot be read, or nothing is left to show.
        SpecError: An argument is outside its range, or ``where`` is an URL with credentials.
    """
    _check(p, seed, shuffle)
    found = find_shards(where)
    catalogue = read_catalogue(found.urls, split=split, keep=keep)
    _LOG.info("%s", describe(catalogue, p))
    for doubt in (*found.left_out, *doubts(catalogue)):
        _LOG.warning("%s", doubt)
    return SourceDataset(catalogue, p=p, seed=seed, transform=transform, shuffle=shuffle, drop_last=drop_last)


def _check(p: float, seed: int, shuffle: int) -> None:
    for name, value in (("seed", seed), ("shuffle", shuffle)):
        if not isinstance(value, int):
            raise SpecError(f"{name} must be a whole number, got {value!r}")
    pick(0, p, seed, "", 0)  # it checks p
    if shuffle < 0:
        raise SpecError(f"shuffle cannot be negative, got {shuffle}", hint="0 keeps the order of the shards")


class SourceDataset(IterableDataset[Any]):
    """Sources of a dataset, made by `open_dataset`.

    A sample is a dict: ``image`` uint8 (3, H, W) tensor; ``mask`` uint8 (H, W) tensor of class ids, or None;
    ``__key__``, ``source_key``, ``variant`` (0 is the source), ``sigma``, ``patient`` (empty if unknown), ``mpp`` (0 if
    unknown), ``json`` (a dict), and ``ordinal``, its place among this rank's samples of the epoch.

    `set_epoch`, `took` and `state_dict` are called in the training loop's process. Workers of a DataLoader, persistent
    ones too, see the epoch when the loop begins to iterate.

    Attributes:
        catalogue: What there is to show.
    """

    def __init__(
        self, catalogue: Catalogue, *, p: float, seed: int, transform: Transform | None, shuffle: int, drop_last: bool
    ) -> None:
        super().__init__()
        self.catalogue = catalogue
        self._p, self._seed, self._shuffle, self._drop_last = p, seed, shuffle, drop_last
        self._transform = transform
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._begun = torch.full((1,), -1, dtype=torch.int64)
        self._skipped = torch.zeros(len(catalogue.sources), dtype=torch.bool)
        self._share_memory()
        self._taken: set[int] = set()
        self._sent: tuple[int, Ranks] | None = None

    @property
    def epoch(self) -> int:
        """The epoch that is shown."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows; another epoch than before begins at its beginning."""
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise SpecError(f"an epoch is 0, 1, 2 ..., got {epoch!r}")
        if epoch != self.epoch:
            self._skipped.zero_()
            self._taken.clear()
        self._epoch[0] = epoch

    def __len__(self) -> int:
        """How many samples an epoch has on this rank."""
        return samples_per_rank(len(self.catalogue.sources), self._ranks().world, drop_last=self._drop_last)

    def __iter__(self) -> Iterator[Any]:
        # Not a generator: a worker reads the shared values now, not when its first sample is wanted.
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        self._taken.clear()
        epoch, order = self.epoch, self._order()
        rest = np.flatnonzero(~self._skipped.numpy()[: len(order)])
        if number == 0:
            self._begin(epoch)
        return self._show(order, rest[number::workers], epoch, counts=worker is None)

    def took(self, ordinals: int | Iterable[int] | Tensor | Mapping[str, Any]) -> None:
        """Say what the training loop has used, so that `state_dict` counts that and not what workers fetched ahead.

        Args:
            ordinals: A sample, a batch of samples as a DataLoader collates it, or its ``ordinal`` alone.

        Raises:
            SpecError: It names no ordinal of this rank.
        """
        if isinstance(ordinals, Mapping):
            if _ORDINAL not in ordinals:
                raise SpecError("the sample has no ordinal", hint="let the transform keep it")
            ordinals = ordinals[_ORDINAL]
        found = np.atleast_1d(np.asarray(ordinals)).ravel().tolist()
        if odd := [each for each in found if not isinstance(each, int) or not 0 <= each < len(self)]:
            raise SpecError(f"{odd[0]!r} is no ordinal of the {len(self)} samples of this rank")
        self._taken.update(found)

    def state_dict(self) -> dict[str, Any]:
        """Where the training loop is: the epoch, and the samples of it that the loop took. Plain values.

        Raises:
            SpecError: The epoch is being shown by workers, and the loop never said what it took.
        """
        if self._begun[0] == self.epoch and not self._taken and not self._skipped.any():
            hint = "call dataset.took(sample) for each sample or batch of the loop"
            raise SpecError(f"epoch {self.epoch} has begun, and nobody said what the loop took of it", hint=hint)
        skipped = np.flatnonzero(self._skipped.numpy()).tolist()
        return {"epoch": self.epoch, "taken": _runs(sorted({*skipped, *self._taken})), **self._made_of()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was: the next iteration shows the rest of that epoch.

        Raises:
            SpecError: It is of another dataset, seed, shuffle or rank, or no such state.
        """
        own = self._made_of()
        if missing := {"epoch", "taken", *own} - state.keys():
            raise SpecError(f"the state has no {sorted(missing)[0]!r}", hint="is it that of another object?")
        for name, value in own.items():
            if state[name] != value:
                hint = "open the same dataset with the same options, on as many ranks"
                raise SpecError(f"the state is of {name} {state[name]!r}, here it is {value!r}", hint=hint)
        self.set_epoch(state["epoch"])
        self._taken.clear()
        self._begun[0] = -1
        self._skipped.zero_()
        for first, count in state["taken"]:
            self._skipped[first : first + count] = True

    def _made_of(self) -> dict[str, Any]:
        """What decides which sample an ordinal is."""
        ranks = self._ranks()
        return {
            "sources": len(self.catalogue.sources),
            "seed": self._seed,
            "p": self._p,
            "shuffle": self._shuffle,
            "drop_last": self._drop_last,
            "rank": ranks.rank,
            "world": ranks.world,
        }

    def _order(self) -> Indices:
        order = order_epoch(self.catalogue.shards, seed=self._seed, epoch=self.epoch, shuffle=self._shuffle)
        return share(order, self._ranks(), epoch=self.epoch, drop_last=self._drop_last)

    def _begin(self, epoch: int) -> None:
        world, count = self._ranks().world, len(self.catalogue.sources)
        if again := -count % world:
            rest = f"{count % world} left out" if self._drop_last else f"{again} shown a second time"
            _LOG.info("epoch %d: %d sources do not divide by %d ranks, %s", epoch, count, world, rest)
        if self._begun[0] == epoch and self._p > 0:
            _LOG.warning("epoch %d is shown again, with the same variants: call set_epoch before each epoch", epoch)
        self._begun[0] = epoch

    def _show(self, order: Indices, ordinals: Indices, epoch: int, *, counts: bool) -> Iterator[Any]:
        reader = SampleReader()
        try:
            for ordinal in ordinals.tolist():
                source = self.catalogue.sources[order[ordinal]]
                variant = choose_variant(list(source.samples), self._p, self._seed, source.key, epoch)
                sample = _sample(reader, source.samples[variant], ordinal)
                if counts:
                    self._taken.add(ordinal)
                yield sample if self._transform is None else self._transform(sample)
        finally:
            reader.close()

    def _ranks(self) -> Ranks:
        # A worker that was not forked knows neither torch.distributed nor, perhaps, the environment of its parent.
        parent = parent_process() if get_worker_info() is not None else None
        if parent is not None and self._sent is not None and self._sent[0] == parent.pid:
            return self._sent[1]
        return find_ranks()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sent": (os.getpid(), self._ranks())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._share_memory()

    def _share_memory(self) -> None:
        # Workers see what the training loop changes here; a copy by deepcopy has to be shared anew.
        for tensor in (self._epoch, self._begun, self._skipped):
            tensor.share_memory_()  # type: ignore[no-untyped-call]


def _sample(reader: SampleReader, stored: Stored, ordinal: int) -> dict[str, Any]:
    decoded = reader.read(stored)
    return {
        "image": torch.from_numpy(np.ascontiguousarray(decoded.image.transpose(2, 0, 1))),
        "mask": None if decoded.mask is None else torch.from_numpy(decoded.mask),
        "__key__": stored.key,
        "source_key": stored.source_key,
        "variant": stored.variant,
        "sigma": decoded.sigma,
        "patient": decoded.patient,
        "mpp": decoded.mpp,
        "json": decoded.meta,
        _ORDINAL: ordinal,
    }


def _runs(numbers: list[int]) -> list[list[int]]:
    """Ascending numbers as runs: the first of each, and how many."""
    breaks = [i for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1] + 1]
    return [[numbers[first], last - first] for first, last in zip(breaks, [*breaks[1:], len(numbers)], strict=True)]
