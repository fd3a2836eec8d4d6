"""A dataset opened for torch: its shards found, its sources listed, and what was found said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from augengine.errors import BackendUnavailable, SpecError
from augengine.loader.account import tell
from augengine.loader.catalogue import Keep, read_catalogue
from augengine.loader.order import EpochRule
from augengine.loader.where import Where, find_shards

if TYPE_CHECKING:
    from augengine.loader.dataset import SourceDataset


def open_dataset(
    where: Where | Iterable[Where],
    *,
    split: str | None = None,
    keep: Keep | None = None,
    p: float = 0.5,
    seed: int = 0,
    transform: Callable[[dict[str, Any]], Any] | None = None,
    shuffle: int = 1000,
    drop_last: bool = False,
    batch_size: int = 1,
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
        transform: Called with each sample, a dict; what it returns is shown instead. Its fields stand in
            `augengine.loader.dataset.SourceDataset`.
        shuffle: Places by which a source may move from where it lies in the shards, which come in random order; 0 for
            the order of the shards.
        drop_last: With several ranks leave out the sources that do not divide, others in each epoch, instead of showing
            the first ones of the epoch again.
        batch_size: That of the DataLoader, if it has several workers: they then share out whole batches, and only the
            last one may be smaller. Otherwise each worker may end with a smaller batch.

    Raises:
        SourceError: ``where`` names no shard, a shard cannot be read, or nothing is left to show.
        SpecError: An argument is outside its range, or ``where`` is an URL with credentials.
        BackendUnavailable: torch is not installed.
    """
    try:
        from augengine.loader.dataset import SourceDataset  # torch, which all but this function does without
    except ModuleNotFoundError as error:
        hint = "pip install torch, or pip install 'augengine[train]'"
        raise BackendUnavailable(f"open_dataset makes a dataset of torch: {error}", hint=hint) from error
    rule = EpochRule(p=p, seed=seed, shuffle=shuffle, drop_last=drop_last)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise SpecError(f"batch_size must be 1 or more, got {batch_size!r}", hint="that of the DataLoader")
    found = find_shards(where)
    catalogue = read_catalogue(found.urls, split=split, keep=keep)
    tell(catalogue, p, found.left_out)
    return SourceDataset(catalogue, rule, transform, batch_size)
