"""How much markers gather in glomeruli in what each arm shows: ``augengine train table1-gathering``.

The trap of the world ``shift`` is that they do. An arm helps by *moving markers* only as far as they gather less in
its variants; this counts it, by colour deconvolution, in the training tissue of an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from augengine.json_values import from_json
from augengine.pictures.markers import MarkerMask, MarkerRule, derive_threshold
from augengine.sample import SOURCE_VARIANT
from augengine.shards.records import read_json, write_json
from augengine.stains import Stain, find_stain
from augengine_train.data.decoding import PlaceReader
from augengine_train.data.places import Place
from augengine_train.experiments.table1.data import find_training_tiles
from augengine_train.experiments.table1.plan import BESIDES, Arm, Plan, World
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.unet.foreground import ForegroundMasks
from augengine_train.unet.tiles import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """How much the markers of some pictures gather in glomeruli; NaN where there is nothing to divide by.

    Attributes:
        inside, outside: Markers' share of the area of glomeruli and of the rest, 0 ... 1.
        kept_inside, kept_outside: Share of the source's marker pixels that are markers here too.
    """

    inside: float
    outside: float
    kept_inside: float
    kept_outside: float

    @property
    def ratio(self) -> float:
        """Inside over outside; 1 where markers know nothing of glomeruli."""
        return self.inside / self.outside if self.outside else math.nan

    def to_json(self) -> dict[str, float | None]:
        """Return plain JSON values, four digits."""
        values = {**asdict(self), "ratio": self.ratio}
        return {name: None if math.isnan(value) else round(value, 4) for name, value in values.items()}


def count(pictures: Iterable[tuple[MarkerMask, MarkerMask, MarkerMask]]) -> Gathering:
    """Count pixels of triples of bool (H, W): the source's markers, the markers here, the glomeruli."""
    kept, here, before, area = (np.zeros(2) for _ in range(4))
    for source, markers, glomeruli in pictures:
        for i, part in enumerate((glomeruli, ~glomeruli)):
            area[i] += part.sum()
            before[i] += (source & part).sum()
            here[i] += (markers & part).sum()
            kept[i] += (markers & source & part).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        (inside, outside), (kept_inside, kept_outside) = (here / area).tolist(), (kept / before).tolist()
    return Gathering(inside=inside, outside=outside, kept_inside=kept_inside, kept_outside=kept_outside)


def gatherings(plan: Plan, data: Path, out: Path) -> dict[str, Any]:
    """World -> stain -> arm -> its `Gathering` as json, over all repeats, patients and variants.

    Raises:
        SourceError: Tissue or variants are missing.
    """
    return {w: {s: _of_stain(plan, w, s, data, out) for s in plan.stains} for w in plan.worlds}


def _of_stain(plan: Plan, world: World, stain: str, data: Path, out: Path) -> dict[Arm, dict[str, float | None]]:
    shown = {arm: _tiles(plan, world, stain, arm, data, out) for arm in plan.arms}
    tissue = _Tissue.of(shown[plan.arms[0]], find_stain(stain))
    return {arm: count(tissue.pictures(tiles)).to_json() for arm, tiles in shown.items()}


def _tiles(plan: Plan, world: World, stain: str, arm: Arm, data: Path, out: Path) -> list[Tile]:
    cells = ({"world": world, "stain": stain, "arm": arm, "repeat": repeat} for repeat in range(plan.repeats))
    return [tile for cell in cells for tile in find_training_tiles(cell, data, out)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tissue:
    """The sources that all arms of a world and stain share, looked at once: by place, their markers and glomeruli."""

    rule: MarkerRule
    known: Mapping[Place, tuple[MarkerMask, MarkerMask]]

    @staticmethod
    def of(tiles: Sequence[Tile], stain: Stain) -> _Tissue:
        reader = PlaceReader()
        places = [tile.images[SOURCE_VARIANT] for tile in tiles]
        images = [reader.image(place) for place in places]
        rule = MarkerRule(stain=stain, threshold=derive_threshold(images, stain))
        glomeruli = ForegroundMasks((1,), reader)
        masks = [(rule.mask(image), glomeruli.read(tile)) for tile, image in zip(tiles, images, strict=True)]
        return _Tissue(rule=rule, known=dict(zip(places, masks, strict=True)))

    def pictures(self, tiles: Sequence[Tile]) -> Iterator[tuple[MarkerMask, MarkerMask, MarkerMask]]:
        """What `count` counts, of every variant; of the sources themselves where there is none."""
        reader = PlaceReader()
        for tile in tiles:
            before, within = self.known[tile.images[SOURCE_VARIANT]]
            for variant in range(min(1, tile.variants), tile.variants + 1):
                yield before, self.rule.mask(reader.image(tile.images[variant])), within


def lines(found: Mapping[str, Any]) -> list[str]:
    """The lines of a Markdown table of the gatherings, one row per world, stain and arm."""
    each = ((w, s, a, g) for w, stains in found.items() for s, arms in stains.items() for a, g in arms.items())
    rows = [f"| {world} | {stain} | {arm} | {_cells(g)} |" for world, stain, arm, g in each]
    return [
        "| world | stain | arm | % of glomeruli | % of the rest | ratio | kept in glomeruli | kept in the rest |",
        "|---" * 8 + "|",
        *rows,
    ]


def _cells(g: Mapping[str, float | None]) -> str:
    shares = [_number(g[name], 100, 1) for name in ("inside", "outside")]
    return " | ".join([*shares, *(_number(g[name], 1, 2) for name in ("ratio", "kept_inside", "kept_outside"))])


def _number(value: float | None, times: int, digits: int) -> str:
    return "-" if value is None else f"{times * value:.{digits}f}"


@click.command("table1-gathering", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--out", type=FILE, default=Path("runs/table1"), help="Folder of the experiment; its variants are read.")
@click.option("--data", type=FILE, help="Folder of the source shards of all repeats and worlds; by default OUT/data.")
def main(out: Path, data: Path | None) -> None:
    """Count markers in glomeruli in every arm's variants; writes gathering.json beside the experiment's results."""
    said = read_json(out / "plan.json", hint="--out is the folder of a `augengine train table1`")
    plan = from_json(Plan, {name: value for name, value in said.items() if name not in BESIDES})
    found = gatherings(plan, data or out / "data", out)
    write_json(out / "gathering.json", {"plan": said, "gathering": found}, out)
    click.echo("\n".join(lines(found)))


if __name__ == "__main__":
    main()
