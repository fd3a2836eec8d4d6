"""Pictures of what noise does: more of it, other draws of it, and where the markers come and go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from augengine.measures import Cycle, draw, run_cycles, to_rgb
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import chromogen_alone
from augengine.pictures.encode import encode_image
from augengine.pictures.markers import MarkerRule, chromogen
from augengine.pictures.pages import Cell, draw_page, heat_map, outlined, where_to_look
from augengine.probing.chosen_eps import eps_found
from augengine.probing.output import make_folder, write_files
from augengine.probing.request import PreviewRequest
from augengine.probing.specimen import OnNote, Specimen, open_specimen


def preview(
    request: PreviewRequest, *, note: OnNote = lambda _: None, warn: OnNote = lambda _: None
) -> tuple[Path, Path, Path]:
    """Draw three pictures: sigma against samples, several draws of one sigma, and where markers come and go.

    The first two are the paper's Fig. 2 and 3.

    Args:
        request: What to draw.
        note, warn: Told in a line.

    Returns:
        Their files: ``out``, and beside it ``{out}-draws.png`` and ``{out}-markers.png``.

    Raises:
        TargetError: They cannot be written.
        AugengineError: `open_specimen` raised it.
    """
    found = None if request.probed is None else eps_found(request.probed, request.specimen.stain)
    with open_specimen(request.specimen, threshold=request.threshold, note=note, warn=warn) as specimen:
        make_folder(request.out.parent)  # before the work, not after it
        cycles = run_cycles(specimen.keys, specimen.inputs, specimen.to_reference, specimen.from_reference)
        sigma = request.sigma or found or specimen.stain.usual_eps
        drawn = [_drawn(cycles, specimen, sigma, request.seed, variant) for variant in range(1, request.draws + 1)]
        pages = {
            "": _by_sigma(specimen, cycles, request),
            "-draws": _by_draw(specimen, drawn, sigma),
            "-markers": _where_markers_move(specimen, drawn, sigma, specimen.markers),
        }
    return _write(request.out, pages)


def _drawn(cycles: Sequence[Cycle], specimen: Specimen, sigma: float, seed: int, variant: int) -> list[RgbImage]:
    """b' of every tile, one draw."""
    made = draw(cycles, specimen.from_reference, sigma=sigma, seed=seed, variant=variant)
    return [to_rgb(image) for image in made]


def _by_sigma(specimen: Specimen, cycles: Sequence[Cycle], request: PreviewRequest) -> RgbImage:
    """The paper's Fig. 2: rows are sigmas, columns samples; above them the sources and A'."""
    stain, reference = specimen.weights.stain, specimen.weights.reference
    rows: list[list[Cell]] = [[(tile.key, outlined(tile.image_hwc, tile.mask)) for tile in specimen.tiles]]
    rows.append([("", to_rgb(cycle.there)) for cycle in cycles])
    names = [f"source, {stain}", f"A', {reference}"]
    for sigma in request.sigmas:
        images = _drawn(cycles, specimen, sigma, request.seed, 1) if sigma else [to_rgb(cycle.back) for cycle in cycles]
        rows.append([("", outlined(image, tile.mask)) for image, tile in zip(images, specimen.tiles, strict=True)])
        names.append(f"sigma {sigma:g}" if sigma else "without noise")
    note = "each row: A' with noise of that sigma, translated back; one draw, scaled"
    return draw_page(rows, title=f"{stain} by way of {reference}: more noise, more change", note=note, names=names)


def _by_draw(specimen: Specimen, drawn: Sequence[Sequence[RgbImage]], sigma: float) -> RgbImage:
    """The paper's Fig. 3: several draws of one sigma."""
    rows: list[list[Cell]] = [
        [
            (f"source {tile.key}", outlined(tile.image_hwc, tile.mask)),
            *((f"draw {number}", outlined(images[row], tile.mask)) for number, images in enumerate(drawn, start=1)),
        ]
        for row, tile in enumerate(specimen.tiles)
    ]
    stain = specimen.weights.stain
    note = where_to_look(masked=any(tile.mask is not None for tile in specimen.tiles))
    return draw_page(rows, title=f"{stain}: {len(drawn)} draws of noise of sigma {sigma:g}", note=note)


def _where_markers_move(
    specimen: Specimen, drawn: Sequence[Sequence[RgbImage]], sigma: float, rule: MarkerRule
) -> RgbImage:
    """The chromogen alone, and over all draws how often a pixel is marker and how much its concentration varies."""
    stain, threshold = rule.stain, rule.threshold
    rows: list[list[Cell]] = []
    for row, tile in enumerate(specimen.tiles):
        images = [variants[row] for variants in drawn]
        often = np.mean([rule.mask(image) for image in images], axis=0)
        varies = np.std([chromogen(image, stain) for image in images], axis=0)
        rows.append(
            [
                (tile.key, outlined(tile.image_hwc, tile.mask)),
                ("its chromogen alone", chromogen_alone(tile.image_hwc, stain)),
                ("one draw", outlined(images[0], tile.mask)),
                ("its chromogen alone", chromogen_alone(images[0], stain)),
                ("how often marker (bright: always)", heat_map(often, 1.0)),
                ("variation of the chromogen", heat_map(varies, threshold)),
            ]
        )
    note = (
        f"over {len(drawn)} draws; variation: deviation of the concentration, brightest at that of a marker, "
        f"{threshold:.3f}"
    )
    return draw_page(rows, title=f"{stain.name}: where markers come and go at sigma {sigma:g}", note=note)


def _write(out: Path, pages: dict[str, RgbImage]) -> tuple[Path, Path, Path]:
    files = {out.with_name(f"{out.stem}{end}{out.suffix}"): encode_image(page, "png") for end, page in pages.items()}
    write_files(files)
    first, second, third = files
    return first, second, third
