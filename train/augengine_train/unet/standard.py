"""The standardisation of a segmenter's input: the training set's mean and deviation, of values in [0, 1]."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from augengine.errors import SourceError, SpecError
from augengine.jobs import Report
from augengine.pictures.moments import mean_and_deviation
from augengine.sample import SOURCE_VARIANT
from augengine.shards import read_report
from augengine.shards.content import Sums
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.tiles import Tile

Triple = tuple[float, float, float]
_MIN_DEVIATION = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Mean and standard deviation of R, G and B in [0, 1]."""

    mean: Triple
    deviation: Triple

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in self.mean) or not all(0 < value <= 1 for value in self.deviation):
            raise SpecError(f"means are 0 ... 1 and deviations above 0, got {self.mean} and {self.deviation}")

    def apply(self, image_chw: Tensor) -> Tensor:
        """An image in [0, 1], float (..., 3, H, W), standardised."""
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (image_chw - mean) / deviation


def measure_standard(tiles: Sequence[Tile]) -> Standard:
    """Mean and deviation over the tiles themselves, never their variants: one value for every way of augmenting.

    Where a shard holds just these tiles and has a report (`.augengine/*.json`), the report's sums are taken; all
    others are decoded. Sums are exact integers, so both ways give the same value.

    Raises:
        SourceError: The tiles are blank, or cannot be read.
    """
    sums = Sums()
    for file, members in _by_shard(tiles).items():
        report = _report_of(file, members)
        if report is None:
            _add_pixels(sums, members)
        else:
            sums.pixels += report.pixels
            for channel in range(3):
                sums.channel_sum[channel] += report.channel_sum[channel]
                sums.channel_sum_sq[channel] += report.channel_sum_sq[channel]
    return _standard(sums)


def _by_shard(tiles: Sequence[Tile]) -> dict[str, list[Tile]]:
    shards: dict[str, list[Tile]] = defaultdict(list)
    for tile in tiles:
        shards[tile.images[SOURCE_VARIANT].file].append(tile)
    return shards


def _report_of(file: str, tiles: Sequence[Tile]) -> Report | None:
    """The shard's report, if it counts these tiles and nothing else."""
    if "://" in file:
        return None
    shard = Path(file)
    report = read_report(shard.parent, shard.stem)
    pixels = sum(tile.height * tile.width for tile in tiles)
    is_theirs = report is not None and report.samples_out == len(tiles) and report.pixels == pixels
    return report if is_theirs else None


def _add_pixels(sums: Sums, tiles: Sequence[Tile]) -> None:
    reader = PlaceReader()
    for tile in tiles:
        sums.add(reader.image(tile.images[SOURCE_VARIANT]), None)


def _standard(sums: Sums) -> Standard:
    mean, deviation = mean_and_deviation(sums.pixels, sums.channel_sum, sums.channel_sum_sq)
    if min(deviation) < _MIN_DEVIATION:
        raise SourceError("the training tiles are blank: a colour channel never changes", hint="look at them")
    return Standard(mean=mean, deviation=deviation)
