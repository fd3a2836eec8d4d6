"""Phantoms beside real tissue: ``augengine train phantom-compare --data DATA --out look.png``.

The data folder holds the ``hannover`` set. The picture shows pixels of it and is to look at, not to publish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, binary_opening
from skimage.measure import label, regionprops

from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import concentrations
from augengine.pictures.files import write_png
from augengine.pictures.markers import derive_threshold, dice, marker_mask
from augengine.stains import BUILT_IN
from augengine_train.data import open_domain
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand
from augengine_train.phantom.field import Field, draw_field
from augengine_train.phantom.series import Series
from augengine_train.phantom.spec import STAINS, PhantomStain

# Stain -> where its real pictures lie below the data folder, and their um/px.
REAL: dict[PhantomStain, tuple[str, float]] = {
    "pas": ("fields_40x/pas.png", 0.25),
    "cd68": ("cd68_glomeruli_20x", 0.5),
    "cd34": ("fields_40x/cd34.png", 0.25),
}
MPP, SIDE, SHOWN = 0.5, 496, 2
_GAP = 8
_MIN_UM2 = 10.0
_NATURAL = -np.log(1e-6)  # scikit-image's amounts are in units of this natural optical density


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """Amounts of counterstain and of chromogen over all pixels: natural optical density along unit vectors.

    Attributes:
        mean, spread: Mean and standard deviation of each.
        percentiles: 5th, 50th and 95th of each.
    """

    mean: tuple[float, float]
    spread: tuple[float, float]
    percentiles: tuple[tuple[float, ...], tuple[float, ...]]

    @classmethod
    def of(cls, images: Sequence[RgbImage], stain: PhantomStain) -> Self:
        """Measured by colour deconvolution with the stain's vectors, all pictures together."""
        amounts = [concentrations(image, BUILT_IN[stain]).reshape(-1, 3)[:, :2] * _NATURAL for image in images]
        pooled = np.concatenate(amounts).T
        first, second = (tuple(float(p) for p in np.percentile(each, (5, 50, 95))) for each in pooled)
        return cls(
            mean=(float(pooled[0].mean()), float(pooled[1].mean())),
            spread=(float(pooled[0].std()), float(pooled[1].std())),
            percentiles=(first, second),
        )

    def line(self) -> str:
        """The amounts of both stains as a line of text."""
        names = ("counterstain", "chromogen")
        each = zip(names, self.mean, self.spread, self.percentiles, strict=True)
        return "; ".join(
            f"{name} {mean:.2f} +- {spread:.2f} ({', '.join(f'{p:.2f}' for p in three)})"
            for name, mean, spread, three in each
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Markers as colour deconvolution finds them, holes filled, without what one opening by a pixel removes.

    Attributes:
        per_mm2: Connected ones a mm2 of tissue shown.
        cover: Share of all pixels that is marker, before anything is filled or left out.
        diameters_um: 10th, 50th and 90th percentile of the diameters of circles of the same area.
        widths_um: The same of the minor axes of ellipses of the same moments.
        chromogen: The same of the amount of chromogen in all pixels that are marker, as in `Colours`.
    """

    per_mm2: float
    cover: float
    diameters_um: tuple[float, ...]
    widths_um: tuple[float, ...]
    chromogen: tuple[float, ...]

    @classmethod
    def of(cls, images: Sequence[RgbImage], stain: PhantomStain) -> Self:
        """Measure all pictures together, with one threshold derived from them; spots below 10 um2 are left out."""
        threshold = derive_threshold(images, BUILT_IN[stain])
        masks = [marker_mask(image, BUILT_IN[stain], threshold) for image in images]
        spots = [spot for mask in masks for spot in _spots(mask)]
        amounts = [_chromogen(image, mask, stain) for image, mask in zip(images, masks, strict=True)]
        shown_mm2 = sum(image[..., 0].size for image in images) * MPP**2 / 1e6
        return cls(
            per_mm2=len(spots) / shown_mm2,
            cover=float(np.concatenate([mask.ravel() for mask in masks]).mean()),
            diameters_um=_percentiles([spot.equivalent_diameter_area * MPP for spot in spots]),
            widths_um=_percentiles([spot.axis_minor_length * MPP for spot in spots]),
            chromogen=_percentiles(np.concatenate(amounts)),
        )

    def line(self) -> str:
        """The markers' density, share of the area and sizes as a line of text."""
        names = ("diameter", "width", "chromogen")
        each = zip(names, (self.diameters_um, self.widths_um, self.chromogen), (" um", " um", ""), strict=True)
        shown = "; ".join(f"{name} {', '.join(f'{p:.1f}' for p in three)}{unit}" for name, three, unit in each)
        return f"{self.per_mm2:.0f} markers a mm2, {self.cover:.1%} of the area; {shown}"


def _chromogen(image: RgbImage, mask: NDArray[np.bool_], stain: PhantomStain) -> NDArray[np.float64]:
    """Natural optical density along the chromogen's unit vector, of the pixels of a mask."""
    amounts = concentrations(image, BUILT_IN[stain])[..., 1] * _NATURAL
    return np.asarray(amounts[mask], dtype=np.float64)


def _percentiles(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    """The 10th, 50th and 90th percentile; empty without values."""
    return tuple(float(p) for p in np.percentile(values, (10, 50, 90))) if len(values) else ()


def _spots(mask: NDArray[np.bool_]) -> list[Any]:
    numbered = label(binary_opening(binary_fill_holes(mask)))  # type: ignore[no-untyped-call]
    spots = regionprops(numbered)  # type: ignore[no-untyped-call]
    return [spot for spot in spots if spot.area * MPP**2 > _MIN_UM2]


@click.command("phantom-compare", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", required=True, type=FILE, help="Folder of fields_40x/ and cd68_glomeruli_20x/.")
@click.option("--out", type=FILE, help="Draw this PNG: real tissue above, phantoms below, one column per stain.")
@click.option(
    "--fields", type=click.IntRange(SHOWN), default=12, help="Number of phantoms per stain, each of another patient."
)
@click.option("--seed", type=int, default=0, help="Random seed of the phantoms.")
def main(data: Path, out: Path | None, fields: int, seed: int) -> None:
    """Compare colours and markers of phantoms with real tissue's, see whether the markers are found, and show both."""
    columns = []
    for stain in STAINS:
        name, mpp = REAL[stain]
        real = list(open_domain(str(data / name), name=stain, mpp=mpp, target_mpp=MPP).images)
        series = Series(stain=stain, count=fields, side=SIDE, mpp=MPP, seed=seed, patients=fields)
        drawn = [draw_field(series.spec(number)) for number in range(series.count)]
        images = [field.image for field in drawn]
        click.echo(f"{stain} real:  {Colours.of(real, stain).line()}")
        click.echo(f"{stain} drawn: {Colours.of(images, stain).line()}")
        if BUILT_IN[stain].reference is not None:
            click.echo(f"{stain} real:  {Spots.of(real, stain).line()}")
            click.echo(f"{stain} drawn: {Spots.of(images, stain).line()}")
            click.echo(f"{stain} drawn: {_found(drawn, stain)}")
        columns.append([real[-1][:SIDE, :SIDE], *images[:SHOWN]])
    if out is not None:
        write_png(out, _beside(columns))


def _found(fields: Sequence[Field], stain: PhantomStain) -> str:
    """How well colour deconvolution finds the markers."""
    threshold = derive_threshold([field.image for field in fields], BUILT_IN[stain])
    found = [marker_mask(field.image, BUILT_IN[stain], threshold) for field in fields]
    true = [field.markers > 0 for field in fields]
    agreement = dice(found, true)
    shown = "none" if agreement is None else f"{agreement:.2f}"
    return f"markers cover {np.mean(true):.1%}; Dice with those that colour deconvolution finds {shown}"


def _beside(columns: Sequence[Sequence[RgbImage]]) -> RgbImage:
    """Columns of equal pictures on white."""
    step = SIDE + _GAP
    sheet = np.full((len(columns[0]) * step - _GAP, len(columns) * step - _GAP, 3), 255, dtype=np.uint8)
    for x, column in enumerate(columns):
        for y, image in enumerate(column):
            sheet[y * step : y * step + SIDE, x * step : x * step + SIDE] = image
    return sheet


if __name__ == "__main__":
    main()
