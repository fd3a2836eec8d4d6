"""Samples per second of `augengine.open_dataset` beside a bare webdataset pipeline that decodes the same pictures.

Run: ``python -m benchmarks.loader``; ``--sources --variants --shards --workers --rounds --out`` choose what. The shards
hold the sample set's tiles again and again, and each variant is its tile. The contenders take turns: our loader, and
webdataset told beforehand which samples to show, which reads the shards from end to end and decodes images and masks
of those by Pillow. It writes ``benchmarks/results/loader.json``.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import webdataset
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from augengine import open_dataset
from augengine.digests import canonical_json
from augengine.sample import Sample, variant_key
from augengine.shards import ShardWriter, members_of, read_tar, scan_tar
from augengine.sources.sample_set import STAIN, TAR
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import Contender, interleave, ratio, row

RESULT = Path(__file__).parent / "results" / "loader.json"
OURS, BARE = "open_dataset", "webdataset"


def write_shards(folder: Path, *, sources: int, variants: int, shards: int) -> None:
    """Shards as `augengine augment --include-source` writes them, without generators."""
    tiles = _tiles()
    for shard in range(shards):
        with ShardWriter(folder / f"{STAIN}-{shard:06d}.tar") as writer:
            for number in range(shard, sources, shards):
                for variant in range(variants + 1):
                    tile, key = tiles[number % len(tiles)], f"tile_{number}"
                    record = {"source_key": key, "variant": variant, "variants": variants, "source": tile.meta_text}
                    members = members_of(tile.image, "png", mask=tile.mask, json=canonical_json(record), extras={})
                    writer.add(variant_key(key, variant), members)


def _tiles() -> list[Sample]:
    listed = scan_tar(str(TAR)).entries
    return [tile for tile in read_tar(str(TAR), 0, len(listed), {}) if isinstance(tile, Sample)]


def decode(name: str, data: bytes) -> Any:
    """An image or a mask as an array, by Pillow; other members are left alone."""
    return np.array(Image.open(io.BytesIO(data))) if name.endswith("png") else None


def bare_pipeline(shards: Iterable[Path], shown: frozenset[str]) -> IterableDataset[Any]:
    """webdataset alone: every member is read, what is shown is decoded."""
    urls = [str(shard) for shard in sorted(shards)]
    pipeline = webdataset.WebDataset(urls, shardshuffle=False, workersplitter=webdataset.split_by_worker)
    chosen: IterableDataset[Any] = pipeline.select(partial(_is_shown, shown)).decode(decode)
    return chosen


def _is_shown(shown: frozenset[str], sample: dict[str, Any]) -> bool:
    return sample["__key__"] in shown


def read_all(dataset: IterableDataset[Any], workers: int, count: int) -> None:
    """One epoch; as many samples as expected, or the comparison would be of unequal work."""
    found = sum(1 for _ in DataLoader(dataset, batch_size=None, num_workers=workers))
    if found != count:
        raise RuntimeError(f"{found} samples, expected {count}")


def contenders(folder: Path, workers: int) -> list[Contender]:
    """Both, over the same samples of the same shards."""
    logging.getLogger("augengine.loader").setLevel(logging.ERROR)  # one epoch again and again is meant here
    dataset = open_dataset(folder)
    shown = frozenset(sample["__key__"] for sample in dataset)
    bare = bare_pipeline(folder.glob("*.tar"), shown)
    dataset.set_epoch(0)
    return [
        Contender(name=name, run=partial(read_all, each, workers, len(shown)), images=len(shown))
        for name, each in ((OURS, dataset), (BARE, bare))
    ]


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loader")
    for name, default in (("sources", 400), ("variants", 4), ("shards", 4), ("workers", 0), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, sources=chosen.sources, variants=chosen.variants, shards=chosen.shards)
        both = contenders(folder, chosen.workers)
        seconds = interleave(both, chosen.rounds)
    result = {
        "command": "python -m benchmarks.loader",
        "what": "one epoch, images and masks decoded; each source as itself or as one of its variants",
        **{name: getattr(chosen, name) for name in ("sources", "variants", "shards", "workers", "rounds")},
        "rows": {each.name: row(each, seconds[each.name], {}) for each in both},
        "ours_over_webdataset": ratio(seconds[OURS], seconds[BARE]),
        "machine": machine_facts(),
        "versions": versions(("augengine", "torch", "webdataset", "pillow", "nvidia-nvimgcodec-cu13")),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result["rows"]) + f" ours over webdataset: {result['ours_over_webdataset']}\n")


if __name__ == "__main__":
    main()
