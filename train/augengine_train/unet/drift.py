"""The command ``augengine train drift``: does a segmenter find in variants what it finds in their tiles?

Its masks should stay where tissue stays. A segmenter that was trained on tiles alone has no reason to forgive a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from augengine.errors import SourceError
from augengine.json_values import to_json
from augengine.measures.structure import counterstain_ssim
from augengine.shards.records import write_json
from augengine.stains import Stain, find_stain
from augengine.tiling.patients import Patients
from augengine.weights.home import home
from augengine_train.loop.commands import FILE, SETTINGS, Echo, PoliteCommand
from augengine_train.unet.cohort import Tiles, name_patients
from augengine_train.unet.fit import open_view
from augengine_train.unet.foreground import Foreground
from augengine_train.unet.gate_curve import MIN_SHOWN, Look, gate_curve
from augengine_train.unet.measures import Counts, Measures, compare
from augengine_train.unet.predict import View
from augengine_train.unet.run import find_card
from augengine_train.unet.tiles import Tile, find_tiles
from augengine_train.unet.variants import StoredVariants

RESULT, CURVE = "drift.json", "gate.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a segmenter finds in tiles and in their variants; counts are summed over all of them.

    Attributes:
        tiles: How many there are.
        variants: How many variants of them.
        own: The tiles themselves against their masks.
        varied: The variants against the same masks.
        agreement: Pixels found in the variants against those found in the tiles; its F1 is their Dice.
        looks: Each variant on its own, where the stain is known.
    """

    tiles: int
    variants: int
    own: Measures
    varied: Measures
    agreement: Counts
    looks: tuple[Look, ...] = ()

    @property
    def lost(self) -> float:
        """F1 by pixel on the tiles less that on the variants."""
        return self.own.pixels.f1 - self.varied.pixels.f1

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "tiles": self.tiles,
            "variants": self.variants,
            "own": self.own.to_json(),
            "varied": self.varied.to_json(),
            "agreement": self.agreement.to_json(),
            "lost": self.lost,
        }

    def lines(self) -> list[str]:
        """The drift as lines of text."""
        return [
            f"F1 by pixel {self.own.pixels.f1:.4f} on {self.tiles} tiles, {self.varied.pixels.f1:.4f} on their"
            f" {self.variants} variants: {self.lost:+.4f} lost",
            f"Dice of what is found in a variant and in its tile {self.agreement.f1:.4f}",
        ]


def find_drift(view: View, tiles: Sequence[Tile], stain: Stain | None = None) -> Drift:
    """Compare a segmenter's masks of variants with those of their tiles.

    Args:
        view: The segmenter's.
        tiles: With variants; those that were passed through are left out.
        stain: Theirs, to measure how like their counterstains are; None leaves that out.

    Raises:
        SourceError: No tile has a variant, some are smaller than the segmenter's crop, or none shows any foreground.
    """
    varied = [tile for tile in tiles if tile.variants]
    if not varied:
        raise SourceError("no tile has a variant", hint="name the shards that `augengine augment` wrote, too")
    view.check(varied)
    drifts = [_drift(view, tile, stain) for tile in varied]
    return Drift(
        tiles=len(drifts),
        variants=sum(each.variants for each in drifts),
        own=sum((each.own for each in drifts), start=Measures()),
        varied=sum((each.varied for each in drifts), start=Measures()),
        agreement=sum((each.agreement for each in drifts), start=Counts()),
        looks=tuple(look for each in drifts for look in each.looks),
    )


def _drift(view: View, tile: Tile, stain: Stain | None) -> Drift:
    truth, own = view.truth(tile), view.find(tile, 0)
    found = [view.find(tile, number) for number in range(1, tile.variants + 1)]
    before, after = compare(own, truth), [compare(each, truth) for each in found]
    return Drift(
        tiles=1,
        variants=len(found),
        own=before,
        varied=sum(after, start=Measures()),
        agreement=sum((compare(each, own).pixels for each in found), start=Counts()),
        looks=() if stain is None else tuple(_looks(tile, stain, truth, before, after)),
    )


def _looks(tile: Tile, stain: Stain, truth: Foreground, before: Measures, after: Sequence[Measures]) -> Iterator[Look]:
    images = [StoredVariants().image(tile, number) for number in range(len(after) + 1)]
    ssims = counterstain_ssim(images[0], images[1:], stain)
    for number, (ssim, measures) in enumerate(zip(ssims, after, strict=True), start=1):
        yield Look(
            key=tile.key,
            variant=number,
            ssim=ssim,
            shown=float(truth.mean()),
            own=before.pixels.f1,
            varied=measures.pixels.f1,
        )


@click.command("drift", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--out", type=FILE, required=True, help="Folder of a finished training of `augengine train unet`.")
@click.option(
    "--test",
    multiple=True,
    metavar="SHARDS",
    help="Shards of the tiles themselves, where --variants does not hold them; repeatable.",
)
@click.option(
    "--variants",
    multiple=True,
    required=True,
    metavar="SHARDS",
    help="Shards that `augment` wrote; repeatable, and each is measured on its own.",
)
@click.option("--stain", help="Stain of the tiles; with it the curve of `augengine augment --gate` is measured too.")
@click.option("--patients", type=FILE, help="CSV of file, patient, split; only its test patients are measured.")
def main(out: Path, test: Sequence[str], variants: Sequence[str], stain: str | None, patients: Path | None) -> None:
    """Say how far a segmenter's masks drift when tiles are augmented.

    It writes OUT/drift.json, and with --stain OUT/gate.json.
    """
    view, card = open_view(out), find_card(out)
    tiles = {shards: _find(test, shards, patients) for shards in variants}
    varied = {tile.key: tile for found in tiles.values() for tile in found if tile.variants}
    for line in card.doubts(list(varied.values())):
        Echo().warn(line)
    known = None if stain is None else find_stain(stain, home() / "stains")
    drifts = {shards: find_drift(view, found, known) for shards, found in tiles.items()}
    write_json(out / RESULT, {shards: drift.to_json() for shards, drift in drifts.items()}, out)
    for shards, drift in drifts.items():
        click.echo("\n".join([f"{shards}:", *drift.lines()]))
    if known is not None:
        click.echo("\n".join(_write_curve(out, drifts)))


def _write_curve(out: Path, drifts: Mapping[str, Drift]) -> list[str]:
    """The gate's curve over all variants together, and OUT/gate.json."""
    looks = [look for drift in drifts.values() for look in drift.looks]
    curve = gate_curve(looks)
    rows = {shards: [asdict(look) for look in drift.looks] for shards, drift in drifts.items()}
    write_json(out / CURVE, {"curve": curve and to_json(curve), "looks": rows}, out)
    nothing = f"no gate can be drawn: every mask of at least {MIN_SHOWN:.0%} of its tile changed, or none did"
    return [nothing] if curve is None else list(curve.lines())


def _find(test: Sequence[str], shards: str, patients: Path | None) -> Tiles:
    found = find_tiles([*test, shards])
    if patients is None:
        return found
    named = name_patients(found, Patients.read(patients), shards)
    chosen = tuple(tile for tile, split in named if split == "test")
    if not chosen:
        raise SourceError(f"no tile of {shards} is of a test patient of {patients}", hint="leave out --patients")
    return chosen


if __name__ == "__main__":
    main()
