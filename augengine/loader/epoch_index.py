"""What an epoch shows, as index files: readers that follow an index then read nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from augengine.errors import SourceError, SpecError
from augengine.loader.account import tell
from augengine.loader.catalogue import Keep, read_catalogue
from augengine.loader.order import EpochRule
from augengine.loader.where import Where, find_shards
from augengine.shards.listed import MAX_INDEX_BYTES, local_path, read_index
from augengine.shards.write import INDEX_VERSION, target_errors
from augengine.storage import read_plain


def write_epoch_index(
    where: Where | Iterable[Where],
    folder: str | Path,
    *,
    epoch: int,
    p: float = 0.5,
    seed: int = 0,
    split: str | None = None,
    keep: Keep | None = None,
) -> tuple[list[str], list[str]]:
    """Write index files (wds2idx v1.2) that list the samples of one epoch alone, for DALI's webdataset reader.

    The samples are those that `augengine.open_dataset` shows with the same ``p``, ``seed`` and epoch on one rank.

    Args:
        where: Shards on a disk with their indexes beside them, as for `augengine.open_dataset`.
        folder: Where the index files are written; made if it is missing.
        epoch: 0, 1, 2, ...
        p: Probability of showing a variant instead of the source, in [0, 1].
        seed: The training's.
        split, keep: Which sources are wanted, as for `augengine.open_dataset`.

    Returns:
        Paths of the shards of which something is shown, and of their index files, in the same order.

    Raises:
        SourceError: ``where`` names no shard on a disk, an index is missing, or nothing is left to show.
        SpecError: An argument is outside its range, or ``folder`` holds shards.
        TargetError: The folder cannot be written.
    """
    if any(Path(folder).glob("*.tar")):
        raise SpecError(f"{folder} holds shards, whose own indexes would be replaced", hint="name a folder of its own")
    rule, found = EpochRule(p=p, seed=seed), find_shards(where)
    catalogue = read_catalogue(found.urls, split=split, keep=keep)
    tell(catalogue, p, found.left_out)
    chosen: dict[str, set[int]] = defaultdict(set)
    for source in catalogue.sources:
        stored = source.samples[rule.choose(source.samples, source.key, epoch)]
        chosen[stored.shard].add(stored.image.offset)
    shards = sorted(chosen)
    indexes = [Path(folder) / f"{number:06d}.idx" for number in range(len(shards))]
    for shard, index in zip(shards, indexes, strict=True):
        text = _lines_of(shard, chosen[shard])
        with target_errors(index):
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text(text, encoding="utf-8")
    return shards, [str(index) for index in indexes]


def _lines_of(shard: str, images: set[int]) -> str:
    """The index of a shard with the lines of some samples alone, which are told by where their images begin."""
    path = local_path(shard)
    if path is None or read_index(path) is None:
        hint = "copy the shards to a disk, and make a missing index with DALI's wds2idx"
        raise SourceError(f"{shard} has no index beside it that fits", hint=hint)
    lines = read_plain(path.with_suffix(".idx"), limit=MAX_INDEX_BYTES).decode().splitlines()[1:]
    shown = [line for line in lines if images & {int(field) for field in line.split(" ")[1::4]}]
    if len(shown) != len(images):
        raise SourceError(f"the index of {shard} lists {len(shown)} of {len(images)} samples", hint="make it anew")
    return "\n".join([f"{INDEX_VERSION} {len(shown)}", *shown]) + "\n"
