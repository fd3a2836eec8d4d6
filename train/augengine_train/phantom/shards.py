"""A series drawn into source shards, as `augengine augment --in` and `augengine train cyclegan --data` take them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.digests import canonical_json
from augengine.errors import PlanMismatch, TargetError
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import MASK_EXT
from augengine.shards import ShardWriter, publish
from augengine.shards.layout import OWN_FOLDER, index_file, spool_file, spool_folder, tar_file
from augengine.shards.records import read_json, write_json
from augengine.shards.write import Members, target_errors
from augengine_train.phantom.field import Field, draw_field
from augengine_train.phantom.series import Series, differences

FIELDS_PER_SHARD = 64
"""Fields in a shard, which is about 35 MB at 512 px."""

MARKER_EXT = "marker.png"
RECORD = "phantom.json"


Tick = Callable[[int], object]
"""Called with a number of fields as they are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a call did: fields that it drew, and fields that an earlier one had."""

    drawn: int
    kept: int


def members_of_field(field: Field) -> Members:
    """Picture, mask, json and the markers' mask, encoded, in a shard's order."""
    return [
        ("png", encode_image(field.image, "png")),
        (MASK_EXT, encode_mask(field.glomeruli)),
        ("json", canonical_json(field.to_json())),
        (MARKER_EXT, encode_mask(field.markers)),
    ]


def _unheard(fields: int) -> None:
    """Nobody wants to know."""


def write_series(series: Series, out: Path, *, per_shard: int = FIELDS_PER_SHARD, tick: Tick = _unheard) -> Drawn:
    """Draw a series into ``{out}/{stain}-{000000}.tar`` ...; shards that an earlier call finished are kept.

    The bytes depend on the series alone, so that two calls at once disturb nobody.

    Args:
        series: What to draw.
        out: A new or empty folder, or one that this very series was being drawn into.
        per_shard: Fields of a shard.
        tick: Shows progress.

    Raises:
        PlanMismatch: The folder holds another series.
        TargetError: It holds other files, or cannot be written.
    """
    _claim(series.to_json() | {"fields_per_shard": per_shard}, out)
    drawn = 0
    for shard, first in enumerate(range(0, series.count, per_shard)):
        numbers = range(first, min(first + per_shard, series.count))
        output = f"{series.stain}-{shard:06d}"
        if tar_file(out, output).exists():
            tick(len(numbers))
        else:
            _write_shard(series, numbers, out, output, tick)
            drawn += len(numbers)
    with suppress(OSError):  # not empty: another call is at work
        spool_folder(out).rmdir()
    return Drawn(drawn=drawn, kept=series.count - drawn)


def _claim(wanted: dict[str, Any], out: Path) -> None:
    """Write down what the folder is for, or see that it is for that already."""
    record = out / OWN_FOLDER / RECORD
    if record.is_file():
        found = read_json(record, hint="choose a new folder")
        if not isinstance(found, dict) or (different := differences(wanted, found)):
            what = "; ".join(different) if isinstance(found, dict) else "its record is no object"
            raise PlanMismatch(f"{out} holds another phantom: {what}", hint="choose a new folder, or remove that one")
        return
    with target_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if others := sorted(file.name for file in out.iterdir() if file.name != OWN_FOLDER):
            hint = "choose a new or empty folder: shards are never mixed with other files"
            raise TargetError(f"{out} is not empty ({others[0]} ...) and holds no phantom", hint=hint)
    write_json(record, wanted, spool_folder(out))


def _write_shard(series: Series, numbers: range, out: Path, output: str, tick: Tick) -> None:
    with ShardWriter(spool_file(out, output)) as writer:
        for number in numbers:
            writer.add(series.key(number), members_of_field(draw_field(series.spec(number))))
            tick(1)
    written = writer.close()
    # The tar comes last: where it is, its index is.
    publish(written.index, index_file(out, output))
    publish(written.tar, tar_file(out, output))
