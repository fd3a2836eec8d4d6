"""The command ``augengine train organ-cores``: the public HubMAP + HPA set of organs, laid out for `augengine tile`.

The set (Kaggle, "HuBMAP + HPA - Hacking the Human Body", 2022) has 351 cores stained with haematoxylin and DAB. Its
masks show functional units of tissue: glomeruli, crypts, alveoli, glands and white pulp. They are not the marker, so it
suits the question whether an augmentation helps. A row of its ``train.csv`` is a core: id, organ, size, um/px, and the
mask as run lengths. ``train_annotations/ID.json`` holds the same masks as polygons.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from augengine.errors import SourceError
from augengine.pictures.arrays import Mask
from augengine.pictures.encode import encode_mask
from augengine.progress import counted
from augengine.storage.atomic import write_whole
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand

UNITS = {
    "kidney": "glomerulus",
    "largeintestine": "crypt",
    "lung": "alveolus",
    "prostate": "gland",
    "spleen": "white_pulp",
}
"""Organ -> what its masks show."""

_COLUMNS = ("id", "organ", "img_height", "img_width", "pixel_size", "rle")
_MAX_SIDE = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One core, as a row of the table says it.

    Attributes:
        name: Its id, which names its files.
        height, width: In pixels.
        mpp: um/px.
        runs: Its mask as run lengths: start and length in turns, counted from 1 down the columns.
        donor: Cores of one sex and age may be of one donor, so they are never parted.
    """

    name: str
    height: int
    width: int
    mpp: float
    runs: str
    donor: str

    def mask(self) -> Mask:
        """Class ids, uint8 (height, width): 1 within the functional units.

        Raises:
            SourceError: The run lengths are no whole numbers, or leave the picture.
        """
        try:
            numbers = np.array(self.runs.split(), dtype=np.int64)
            starts, lengths = numbers.reshape(-1, 2).T
            starts, ends = starts - 1, starts - 1 + lengths
        except ValueError as error:
            raise SourceError(f"the mask of {self.name} is no list of run lengths: {error}") from error
        flat = np.zeros(self.height * self.width, dtype=np.uint8)
        if len(starts) and (starts.min() < 0 or lengths.min() < 1 or ends.max() > len(flat)):
            raise SourceError(f"the mask of {self.name} leaves its picture of {self.width} x {self.height} px")
        for start, end in zip(starts, ends, strict=True):
            flat[start:end] = 1
        return np.ascontiguousarray(flat.reshape(self.width, self.height).T)


def read_cores(table: Path, organ: str) -> list[Core]:
    """The cores of an organ.

    Args:
        table: ``train.csv``.
        organ: As the table spells it, such as ``kidney``.

    Raises:
        SourceError: The table cannot be read, lacks a column, or has no such organ.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{table} cannot be read: {error}", hint="name the set's train.csv") from error
    if lacking := [name for name in _COLUMNS if not rows or name not in rows[0]]:
        raise SourceError(f"{table} has no column {lacking[0]}", hint=f"its columns are {', '.join(_COLUMNS)} ...")
    found = [_core(row, table) for row in rows if row["organ"] == organ]
    if not found:
        there = ", ".join(sorted({row["organ"] for row in rows}))
        raise SourceError(f"{table} has no cores of {organ!r}", hint=f"there are {there}")
    return found


def _core(row: Mapping[str, Any], table: Path) -> Core:
    try:
        height, width, mpp = int(row["img_height"]), int(row["img_width"]), float(row["pixel_size"])
    except (TypeError, ValueError) as error:
        raise SourceError(f"the row {row['id']} of {table} has no size or um/px: {error}") from error
    if not (min(height, width) > 0 and max(height, width) <= _MAX_SIDE and 0 < mpp < 100):
        raise SourceError(f"the row {row['id']} of {table} has {width} x {height} px at {mpp:g} um/px")
    donor = f"{row.get('sex') or 'unknown'}-{row.get('age') or row['id']}"
    return Core(name=str(row["id"]), height=height, width=width, mpp=mpp, runs=row["rle"] or "", donor=donor)


def lay_out(cores: Sequence[Core], organ: str, images: Path, out: Path, polygons: Path | None = None) -> None:
    """Link the pictures, and write an annotation beside each and the patients' file.

    Args:
        cores: What to lay out.
        organ: Names the class of polygons.
        images: Folder of ``ID.tiff``.
        out: Folder that gets ``ID.tiff``, ``ID_mask.png`` or ``ID.geojson``, and ``split.csv``.
        polygons: Folder of ``ID.json``; None takes the run lengths.

    Raises:
        SourceError: A picture or a polygon file is missing, or cannot be read.
        TargetError: Something cannot be written.
    """
    pictures = {core.name: _picture(images, core.name) for core in cores}
    for core in cores:
        mask, outlines = out / f"{core.name}_mask.png", out / f"{core.name}.geojson"
        if polygons is None:
            write_whole(mask, encode_mask(core.mask()))
            outlines.unlink(missing_ok=True)
        else:
            write_whole(outlines, _geojson(polygons / f"{core.name}.json", UNITS.get(organ, organ)))
            mask.unlink(missing_ok=True)
        link = out / f"{core.name}{pictures[core.name].suffix}"
        if not link.is_symlink() and not link.exists():
            link.symlink_to(pictures[core.name].resolve())
    rows = [f"{core.name},{core.donor},train,{core.mpp:g}" for core in cores]
    write_whole(out / "split.csv", "\n".join(["file,patient,split,mpp", *rows, ""]))


def _picture(images: Path, name: str) -> Path:
    for ending in (".tiff", ".tif", ".png"):
        if (file := images / f"{name}{ending}").is_file():
            return file
    raise SourceError(f"there is no {images / name}.tiff", hint="--images is the folder of the pictures")


def _geojson(file: Path, name: str) -> bytes:
    """Polygons as the set has them, a list of rings of points, as the annotation of one class."""
    try:
        rings = json.loads(file.read_text(encoding="utf-8"))
        closed = [[[float(x), float(y)] for x, y in (*ring, ring[0])] for ring in rings]
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise SourceError(f"{file} is no list of polygons: {error}", hint="--polygons is train_annotations/") from error
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for ring in closed
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


@click.command("organ-cores", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--table", type=FILE, required=True, help="The set's train.csv.")
@click.option("--images", type=FILE, required=True, help="Folder of its pictures, ID.tiff.")
@click.option("--polygons", type=FILE, help="Folder of its polygons, ID.json; by default the table's run lengths.")
@click.option("--organ", default="kidney", help=f"Which organ's cores: {', '.join(UNITS)}.")
@click.option("--out", type=FILE, required=True, help="Folder for links to the pictures, annotations and split.csv.")
def main(table: Path, images: Path, polygons: Path | None, organ: str, out: Path) -> None:
    """Lay out the cores of one organ of the HuBMAP + HPA set, so that `augengine tile` cuts them with their masks."""
    cores = read_cores(table, organ)
    lay_out(cores, organ, images, out, polygons)
    name = "1" if polygons is None else UNITS.get(organ, organ)
    donors = len({core.donor for core in cores})
    click.echo(f"{counted(len(cores), 'core')} of at most {counted(donors, 'donor')} in {out}")
    click.echo(f"cut them: augengine tile {out} --split {out / 'split.csv'} --classes {name}=1 --out tiles/")


if __name__ == "__main__":
    main()
