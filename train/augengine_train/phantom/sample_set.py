"""The package's sample set: ``augengine train sample-set`` draws its tiles again.

It holds eight tiles of CD68, each of another patient. Each shows the border of a glomerulus, so that a person sees
that masks stay in place. The training of the sample set's generators saw none of these patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import click

from augengine.digests import canonical_json
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import MASK_EXT
from augengine.shards import ShardWriter, publish
from augengine.shards.write import Members
from augengine.sources.sample_set import TAR
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.phantom.field import Field, draw_field
from augengine_train.phantom.series import Series

TILES = 8
_SIDE, _MPP = 256, 0.5
_FIRST_PATIENT = 12
"""The training of the generators saw patients 0 to 11."""

_MIN_SHARE, _MAX_SHARE = 0.4, 0.8
"""Shares of a tile that a glomerulus covers where its border can be seen."""


def sample_fields() -> Iterator[Field]:
    """Fields that show the border of a glomerulus, one per patient."""
    series = Series(stain="cd68", count=1000, side=_SIDE, mpp=_MPP, patients=1000, first_patient=_FIRST_PATIENT)
    fields = (draw_field(series.spec(number)) for number in count())
    return (field for field in fields if _MIN_SHARE < field.glomeruli.mean() < _MAX_SHARE)


def members_of_tile(field: Field) -> Members:
    """Picture, mask and json, encoded, in a shard's order."""
    meta: dict[str, Any] = {"tissue": "drawn kidney"} | field.to_json()
    return [("png", encode_image(field.image, "png")), (MASK_EXT, encode_mask(field.glomeruli)),
            ("json", canonical_json(meta))]  # fmt: skip


def write_sample_set(out: Path) -> None:
    """Draw the tiles and write them as one tar.

    Raises:
        TargetError: It cannot be written.
    """
    with ShardWriter(out.with_suffix(".part")) as writer:
        for number, field in enumerate(islice(sample_fields(), TILES), start=1):
            writer.add(f"kidney_{number}", members_of_tile(field))
    written = writer.close()
    written.index.unlink()
    publish(written.tar, out)


@click.command("sample-set", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--out", type=FILE, default=TAR, help="The tar to write.")
def main(out: Path) -> None:
    """Draw the tiles that come with the package."""
    write_sample_set(out)
    click.echo(f"{out}: {TILES} tiles")


if __name__ == "__main__":
    main()
