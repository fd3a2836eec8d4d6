"""Epochs of datasets as ranks and workers read them; ``python -m tests.support.loader_epochs`` is one rank of gloo."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from augengine import open_dataset, pick
from augengine.loader.dataset import SourceDataset
from augengine.shards import ShardWriter
from tests.support.datasets import make
from tests.support.small_shards import members

SOURCES = 11
SEED = 3
Shown = list[tuple[str, int]]


class Library:
    """Datasets that the real `augment` wrote, each made when it is first asked for."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self._folder, self._weights = folder, weights

    def sources(self, shards: int) -> Path:
        """Tars of `SOURCES` tiles in all."""
        folder = self._folder / f"sources-{shards}"
        if not folder.exists():
            for shard in range(shards):
                with ShardWriter(folder / f"s-{shard:06d}.tar") as writer:
                    for number in range(shard, SOURCES, shards):
                        writer.add(f"tile_{number}", members(number))
        return folder

    def dataset(self, variants: int, *, with_source: bool, shards: int, **options: Any) -> Path:
        """The tiles augmented."""
        name = "-".join(map(str, (variants, with_source, shards, *options.values())))
        folder = self._folder / name
        if not folder.exists():
            source = self.sources(shards)
            options = {"variants": variants, "include_source": with_source, "precision": "float32", **options}
            make(source, folder, self._weights, **options)
        return folder


def expected(variants: int, *, with_source: bool, epoch: int, p: float = 0.5) -> Counter[tuple[str, int]]:
    """What an epoch of a `Library` dataset has to show, by the public rule."""
    keys = [f"tile_{number}" for number in range(SOURCES)]
    return Counter((key, pick(variants, p if with_source else 1.0, SEED, key, epoch)) for key in keys)


def loader(dataset: SourceDataset, workers: int, *, persistent: bool = False) -> DataLoader[Any]:
    return DataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=persistent)


def epoch_of(dataset: SourceDataset, workers: int, epoch: int) -> Shown:
    """Source and variant of each sample of an epoch, in order."""
    dataset.set_epoch(epoch)
    return [(sample["source_key"], sample["variant"]) for sample in loader(dataset, workers)]


def main(rank: int, world: int, meeting: Path, jobs: Path, out: Path) -> None:
    """Read epochs of several datasets as one rank of a real process group."""
    torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=world)
    found = []
    for folder, workers, epoch, drop_last in json.loads(jobs.read_text()):
        dataset = open_dataset(folder, seed=SEED, drop_last=drop_last, shuffle=5)
        found.append({"length": len(dataset), "shown": epoch_of(dataset, workers, epoch)})
    out.write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))
