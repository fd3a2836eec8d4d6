"""The numbers of a probe: every measure of a pair on its tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from augengine.draws.noise import FloatImage
from augengine.errors import SourceError
from augengine.measures import (
    Cycle,
    Spectrum,
    control,
    cycle_error,
    draw,
    run_cycles,
    spectrum,
    structure,
    to_rgb,
    under_noise,
    wipe,
)
from augengine.measures.objects import compare_objects
from augengine.measures.verdict import DEFAULT_RULE, Evidence, Kept, choose_eps
from augengine.pictures.markers import MarkerMask, MarkerRule, contrast, dice, share
from augengine.probing.costs import measure_costs
from augengine.probing.gallery import Gallery
from augengine.probing.reference import reference_tiles
from augengine.probing.report import INTEGRATED_TO, Cost, Markers, NoisePoint, Probe, Tissue, kept_at
from augengine.probing.request import ProbeRequest
from augengine.probing.specimen import OnNote, Specimen
from augengine.progress import counted

Price = Callable[[Specimen, OnNote], tuple[Cost, ...]]

_DRAWS = 2
_SHOWN = 3
_FEW = 0.002  # half of what three sparsely marked glomeruli hold


def measure(
    specimen: Specimen,
    request: ProbeRequest,
    note: OnNote,
    price: Price = measure_costs,
    gallery: Gallery | None = None,
) -> Probe:
    """The numbers; nothing is written. Errors as in `probe`.

    Args:
        specimen: What is looked at.
        request: What to measure.
        note: Told in a line.
        price: Measures what precisions cost.
        gallery: Takes the pictures, and a third draw of each sigma for the eye; None takes none.
    """
    rule = specimen.markers
    masks = _masks(specimen, rule)
    if (area := share(masks)) < _FEW:
        note(f"{area:.2%} of the pixels are marker: numbers about markers rest on few of them")
    real = _reference(specimen, request)
    costs = price(specimen, note)  # before the passes: a compiler may refuse
    began = time.monotonic()
    cycles = run_cycles(specimen.keys, specimen.inputs, specimen.to_reference, specimen.from_reference)
    sigmas = sorted({*request.sigmas, DEFAULT_RULE.stable_at, DEFAULT_RULE.responds_at, INTEGRATED_TO})
    draws = _DRAWS if gallery is None else _SHOWN
    _announce(note, len(cycles), draws * len(sigmas) + len(request.wipes.named()), time.monotonic() - began)
    seen = spectrum(specimen.inputs)
    base = structure(specimen.images, [to_rgb(cycle.back) for cycle in cycles], specimen.stain)
    markers = _markers(specimen, cycles, masks, rule)
    if gallery is not None:
        gallery.sit(specimen.tiles, cycles)
        gallery.shoot(0.0, [[cycle.back for cycle in cycles]], masks, rule)
    points = tuple(_at(sigma, specimen, cycles, masks, rule, seen, request.seed, gallery) for sigma in sigmas)
    kept = {point.noise.sigma: kept_at(point, base, markers.area) for point in points}
    return Probe(
        tissue=_tissue(specimen, request.seed),
        cycle=cycle_error(cycles),
        markers=markers,
        structure=base,
        points=points,
        control=control(cycles, masks, rule, DEFAULT_RULE.responds_at, seed=request.seed),
        wiped=tuple(wipe(cycles, masks, specimen.from_reference, rule, request.wipes)),
        checkerboard_db=spectrum([cycle.back for cycle in cycles]).checkerboard_over(seen),
        spectrum=spectrum([cycle.there for cycle in cycles]),
        reference_spectrum=spectrum(real) if real else None,
        reference_tiles=len(real),
        costs=costs,
        bounds=request.bounds,
        rule=DEFAULT_RULE,
        choice=choose_eps([kept[sigma] for sigma in request.sigmas], request.bounds),
        verdict=DEFAULT_RULE.judge(_evidence(points, kept, base, markers), request.bounds),
    )


def _masks(specimen: Specimen, rule: MarkerRule) -> list[MarkerMask]:
    masks = [rule.mask(image) for image in specimen.images]
    if not share(masks):
        marker = f"{specimen.stain.name} marker (a concentration above {rule.threshold:.3f})"
        raise SourceError(
            f"none of {len(masks)} tiles holds a {marker}",
            hint="name tiles that show markers with --in, or a lower --threshold",
        )
    return masks


def _markers(specimen: Specimen, cycles: Sequence[Cycle], masks: Sequence[MarkerMask], rule: MarkerRule) -> Markers:
    back = [rule.mask(to_rgb(cycle.back)) for cycle in cycles]
    return Markers(
        threshold=rule.threshold,
        area=share(masks),
        area_reconstructed=share(back),
        dice=dice(masks, back),
        contrast=contrast(specimen.images, masks),
        contrast_hidden=contrast([to_rgb(cycle.there) for cycle in cycles], masks),
        objects=compare_objects(masks, back),
    )


def _evidence(points: Sequence[NoisePoint], kept: Mapping[float, Kept], base: float, markers: Markers) -> Evidence:
    agreement = {point.noise.sigma: point.noise.agreement for point in points}
    return Evidence(
        dice=markers.dice,
        structure=base,
        usual=kept[DEFAULT_RULE.stable_at],
        strong=kept[DEFAULT_RULE.responds_at],
        agreement=agreement[DEFAULT_RULE.responds_at],
    )


def _reference(specimen: Specimen, request: ProbeRequest) -> list[FloatImage]:
    text = request.reference_source
    return [] if text is None else reference_tiles(text, specimen, request.specimen)


def _at(
    sigma: float,
    specimen: Specimen,
    cycles: Sequence[Cycle],
    masks: Sequence[MarkerMask],
    rule: MarkerRule,
    seen: Spectrum,
    seed: int,
    gallery: Gallery | None,
) -> NoisePoint:
    first, second, *more = (
        draw(cycles, specimen.from_reference, sigma=sigma, seed=seed, variant=variant)
        for variant in range(1, 1 + (_DRAWS if gallery is None else _SHOWN))
    )
    if gallery is not None:
        gallery.shoot(sigma, (first, second, *more), masks, rule)
    shown = [to_rgb(image) for image in first]
    return NoisePoint(
        noise=under_noise(cycles, masks, (first, second), rule, sigma),
        structure=structure(specimen.images, shown, specimen.stain),
        objects=compare_objects(masks, [rule.mask(image) for image in shown]),
        checkerboard_db=spectrum(first).checkerboard_over(seen),
    )


def _announce(note: OnNote, tiles: int, passes: int, seconds: float) -> None:
    # The two passes just made tell the time of the rest; a tile's masks and SSIM are a tenth of a pass.
    note(f"{counted(tiles, 'tile')}, {tiles * (passes + 2)} passes, about {seconds / 2 * passes * 1.1:.0f} s")


def _tissue(specimen: Specimen, seed: int) -> Tissue:
    weights = specimen.weights
    height, width = specimen.tiles[0].image_hwc.shape[:2]
    return Tissue(
        stain=weights.stain,
        reference=weights.reference,
        weights=(weights.digests["to-reference"], weights.digests["from-reference"]),
        backend=specimen.backend.name,
        height=height,
        width=width,
        keys=tuple(specimen.keys),
        left_out=specimen.left_out,
        masked=sum(tile.mask is not None for tile in specimen.tiles),
        surrogate=specimen.surrogate,
        seed=seed,
    )
