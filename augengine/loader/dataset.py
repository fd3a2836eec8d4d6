"""The dataset that a torch DataLoader reads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from multiprocessing import parent_process
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from augengine.digests import json_digest
from augengine.errors import SpecError
from augengine.loader.catalogue import Catalogue, Stored
from augengine.loader.decode import Decoded, SampleReader
from augengine.loader.order import EpochRule, Indices, Ranks, samples_per_rank, share_batches
from augengine.loader.position import Position
from augengine.loader.ranks import find_ranks

Transform = Callable[[dict[str, Any]], Any]

_LOG = logging.getLogger("augengine.loader")
_ORDINAL = "ordinal"


class SourceDataset(IterableDataset[Any]):
    """Sources of a dataset, made by `augengine.open_dataset`.

    A sample is a dict: ``image`` uint8 (3, H, W) tensor; ``mask`` uint8 (H, W) tensor of class ids, or None;
    ``__key__``, ``source_key``, ``variant`` (0 is the source), ``sigma``, ``patient`` (empty if unknown), ``mpp`` (0 if
    unknown), ``json`` (a dict), and ``ordinal``, its place among this rank's samples of the epoch.

    `set_epoch`, `took` and `state_dict` are called in the training loop's process. Workers of a DataLoader, persistent
    ones too, see the epoch when the loop begins to iterate.

    Attributes:
        catalogue: What there is to show.
        rule: What decides which of it an epoch shows, and in which order.
        batch_size: How many samples in a row one worker shows.
    """

    def __init__(self, catalogue: Catalogue, rule: EpochRule, transform: Transform | None, batch_size: int) -> None:
        super().__init__()
        self.catalogue, self.rule, self.batch_size = catalogue, rule, batch_size
        self._transform = transform
        self._position = Position(len(catalogue.sources))
        self._sent: tuple[int, Ranks] | None = None

    @property
    def epoch(self) -> int:
        """The epoch that is shown."""
        return self._position.epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows; another epoch than before begins at its beginning.

        Raises:
            SpecError: It is no count.
        """
        self._position.set_epoch(epoch)

    def __len__(self) -> int:
        """How many samples an epoch has on this rank."""
        return samples_per_rank(len(self.catalogue.sources), self._ranks().world, drop_last=self.rule.drop_last)

    def __iter__(self) -> Iterator[Any]:
        # Not a generator: a worker reads the shared position now, not when its first sample is wanted.
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        order = self.rule.order(self.catalogue.shards, self._ranks(), self.epoch)
        rest = self._position.rest(len(order))
        if number == 0:
            self._say_epoch()
        own = share_batches(rest, worker=number, workers=workers, batch_size=self.batch_size)
        return self._show(order, own, self.epoch, told=worker is None)

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
        self._position.take(found)

    def state_dict(self) -> dict[str, Any]:
        """Where the training loop is: the epoch, and the samples of it that the loop took. Plain values.

        Ranks that keep step, as those of DDP do, are at equal ordinals: the state of one is the state of all.

        Raises:
            SpecError: The epoch is being shown by workers, and the loop never said what it took.
        """
        return {"epoch": self.epoch, "taken": self._position.taken(), **self._made_of()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was: the next iteration shows the rest of that epoch.

        Raises:
            SpecError: It is of another dataset, other options or another number of ranks, or no such state.
        """
        own = self._made_of()
        if missing := {"epoch", "taken", *own} - state.keys():
            raise SpecError(f"the state has no {sorted(missing)[0]!r}", hint="is it that of another object?")
        for name, value in own.items():
            if state[name] != value:
                hint = "open the same dataset with the same options, on as many ranks"
                raise SpecError(f"the state is of {name} {state[name]!r}, here it is {value!r}", hint=hint)
        self._position.restore(state["epoch"], state["taken"])

    def _made_of(self) -> dict[str, Any]:
        """What decides which sample an ordinal is."""
        contents = {"sources": len(self.catalogue.sources), "contents": self._contents}
        return contents | asdict(self.rule) | {"world": self._ranks().world}

    @cached_property
    def _contents(self) -> str:
        return json_digest([[source.key, *source.samples] for source in self.catalogue.sources])

    def _say_epoch(self) -> None:
        world, count = self._ranks().world, len(self.catalogue.sources)
        if again := -count % world:
            rest = f"{count % world} left out" if self.rule.drop_last else f"{again} shown a second time"
            _LOG.info("epoch %d: %d sources do not divide by %d ranks, %s", self.epoch, count, world, rest)
        if self._position.begin() and self.rule.p > 0:
            _LOG.warning("epoch %d is shown again, with the same variants: call set_epoch before each", self.epoch)

    def _show(self, order: Indices, ordinals: Indices, epoch: int, *, told: bool) -> Iterator[Any]:
        """Read and yield samples; without workers what is yielded is taken, and needs no word of the loop."""
        with closing(SampleReader()) as reader:
            for ordinal in ordinals.tolist():
                source = self.catalogue.sources[order[ordinal]]
                stored = source.samples[self.rule.choose(source.samples, source.key, epoch)]
                sample = _sample(stored, reader.read(stored), ordinal)
                if told:
                    self._position.take([ordinal])
                yield sample if self._transform is None else self._transform(sample)

    def _ranks(self) -> Ranks:
        # A worker that was not forked knows neither torch.distributed nor, perhaps, the environment of its parent.
        parent = parent_process() if get_worker_info() is not None else None
        if parent is not None and self._sent is not None and self._sent[0] == parent.pid:
            return self._sent[1]
        return find_ranks()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sent": (os.getpid(), self._ranks())}


def _sample(stored: Stored, decoded: Decoded, ordinal: int) -> dict[str, Any]:
    return {
        "image": torch.from_numpy(np.ascontiguousarray(decoded.image.transpose(2, 0, 1))),
        "mask": None if decoded.mask is None else torch.from_numpy(decoded.mask),
        "__key__": stored.key,
        "source_key": stored.origin.source_key,
        "variant": stored.origin.variant,
        "sigma": decoded.sigma,
        "patient": decoded.patient,
        "mpp": decoded.mpp,
        "json": decoded.meta,
        _ORDINAL: ordinal,
    }
