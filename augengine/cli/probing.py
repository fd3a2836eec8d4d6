"""The commands that look at a stain's generators before a dataset is made with them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from augengine.cli.console import Console
from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option, json_option
from augengine.cli.results import print_probe
from augengine.errors import EXIT_FAILURES
from augengine.probing import (
    PREVIEW_SIGMAS,
    PROBE_SIGMAS,
    SIZE,
    Bounds,
    PreviewRequest,
    ProbeRequest,
    SpecimenRequest,
    Wipes,
    apply_eps,
    preview,
    probe,
)
from augengine.spec import MASK_SUFFIX, MIN_SIDE, BackendName

_BOUNDS, _WIPES = Bounds(), Wipes()


class _Sigmas(click.ParamType[tuple[float, ...]]):
    """Numbers with commas in between."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(sorted({float(part) for part in str(value).split(",")}))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 0.01,0.05,0.2", param, ctx)


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


_threshold_option = click.option(
    "--threshold",
    type=float,
    help="Chromogen concentration from which on a pixel is a marker; by default Otsu's threshold.",
)


def _specimen_options(tiles: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say what is looked at, for both commands."""
    options = (
        click.option(
            "--stain",
            required=True,
            help="Stain of the source: cd68, cd34, hdab with your own weights, or your own stain (name or TOML file).",
        ),
        click.option(
            "--in",
            "source",
            metavar="SOURCE",
            help="Folder of images, or source shards; by default the sample set.",
        ),
        click.option("--masks", metavar="FOLDER", help="Folder or URL of masks, parallel to the images."),
        click.option(
            "--mask-suffix",
            default=MASK_SUFFIX,
            show_default=True,
            help="How the name of a mask ends: tile_mask.png is the mask of tile.png.",
        ),
        click.option("--weights", type=click.Path(path_type=Path), help="Folder of generators, searched alone."),
        click.option(
            "--backend",
            type=click.Choice(get_args(BackendName)),
            default="auto",
            show_default=True,
            help="Runs the generators; auto takes the fastest that this machine has.",
        ),
        click.option("--mpp", type=float, help="um/px of the source, where it does not say so itself."),
        click.option("--allow-mpp", is_flag=True, help="Accept um/px far from the generators' own."),
        click.option(
            "--tiles",
            type=click.IntRange(min=1),
            default=tiles,
            show_default=True,
            help="Number of tiles; they are chosen among 64 that are spread over the source.",
        ),
        click.option(
            "--size",
            type=click.IntRange(min=MIN_SIDE),
            default=SIZE,
            show_default=True,
            help="Longest side of a tile, in pixels; larger images are cropped at their centre.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Random seed of the noise."),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command("probe")
@_specimen_options(tiles=8)
@click.option(
    "--sigmas",
    type=_Sigmas(),
    default=_listed(PROBE_SIGMAS),
    show_default=True,
    help="Sigmas of noise to measure, with commas; eps is chosen from them. The verdict adds 0.05 and 0.2.",
)
@click.option(
    "--reference-in", "reference_source", metavar="SOURCE", help="Real tiles of the reference stain, for the spectrum."
)
@_threshold_option
@click.option(
    "--least-structure",
    type=float,
    default=_BOUNDS.structure,
    show_default=True,
    help="For eps: share of the counterstain's structure that noise must leave.",
)
@click.option(
    "--most-area",
    type=float,
    default=_BOUNDS.area,
    show_default=True,
    help="For eps: factor by which the marker area may change, either way.",
)
@click.option(
    "--jpeg-quality",
    type=int,
    default=_WIPES.jpeg_quality,
    show_default=True,
    help="Quality of the JPEG that wipes the code, 1 to 100.",
)
@click.option(
    "--blur",
    "blur_px",
    type=float,
    default=_WIPES.blur_px,
    show_default=True,
    help="Standard deviation of the blur that wipes the code, in pixels.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of report.html, probe.json and the plots."
)
@click.option("--apply", is_flag=True, help="Write the eps that was found into the stain's own TOML file.")
@as_json_option
def probe_command(
    out: Path,
    sigmas: tuple[float, ...],
    reference_source: str | None,
    threshold: float | None,
    least_structure: float,
    most_area: float,
    jpeg_quality: int,
    blur_px: float,
    seed: int,
    apply: bool,
    as_json: bool,
    **specimen: Any,
) -> None:
    """Measure whether a stain's generators hide markers and lose them under noise, and how much noise is right.

    The exit status is 0 if the pair hides and responds, and 1 if it hardly responds or is unstable.
    """
    request = ProbeRequest(
        specimen=SpecimenRequest(**specimen),
        out=out,
        sigmas=sigmas,
        seed=seed,
        reference_source=reference_source,
        threshold=threshold,
        wipes=Wipes(jpeg_quality=jpeg_quality, blur_px=blur_px),
        bounds=Bounds(structure=least_structure, area=most_area),
    )
    with Console(quiet=as_json) as console:
        found = probe(request, console)
    print_probe(found, out, as_json=as_json)
    if apply:
        console.note(f"wrote {apply_eps(found, specimen['stain'])}")
    sys.exit(0 if found.is_good else EXIT_FAILURES)


@click.command("preview")
@_specimen_options(tiles=4)
@click.option(
    "--sigmas",
    type=_Sigmas(),
    default=_listed(PREVIEW_SIGMAS),
    show_default=True,
    help="Rows of the first picture; 0 is without noise.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=2),
    default=6,
    show_default=True,
    help="Draws of one sigma in the second and third picture.",
)
@_threshold_option
@click.option(
    "--sigma",
    type=float,
    help="Sigma of the second and third picture; by default the eps of --probe, else the stain's own, else 0.05.",
)
@click.option(
    "--probe",
    "probed",
    type=click.Path(path_type=Path),
    help="Folder that `augengine probe` wrote for this stain; its eps is drawn.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="preview.png",
    show_default=True,
    help="File of the first picture, or a folder; the others are written beside it.",
)
@json_option("Print the files as json on standard output.")
def preview_command(
    out: Path,
    sigmas: tuple[float, ...],
    draws: int,
    sigma: float | None,
    probed: Path | None,
    threshold: float | None,
    seed: int,
    as_json: bool,
    **specimen: Any,
) -> None:
    """Draw what noise does: more of it, other draws of it, and where the markers come and go."""
    request = PreviewRequest(
        specimen=SpecimenRequest(**specimen),
        out=out,
        sigmas=sigmas,
        draws=draws,
        sigma=sigma,
        probed=probed,
        threshold=threshold,
        seed=seed,
    )
    with Console(quiet=as_json) as console:
        files = [str(file) for file in preview(request, note=console.note, warn=console.warn)]
    if as_json:
        print_json(files)
    else:
        print_line("\n".join(files))
