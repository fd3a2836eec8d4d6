"""A probe, from a request to its numbers, files and plots."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from augengine.errors import SourceError, TargetError
from augengine.markers import MarkerRule, Mask, contrast, derive_threshold, dice, share
from augengine.measures import (
    Cycle,
    cycle_error,
    draw,
    run_cycles,
    spectrum,
    structure,
    to_rgb,
    under_noise,
    wipe,
)
from augengine.noise import FloatImage
from augengine.probing.plots import draw_plots
from augengine.probing.report import INTEGRATED_TO, Cost, Markers, NoisePoint, Probe, Tissue, kept_at
from augengine.probing.request import ProbeRequest
from augengine.probing.specimen import OnNote, Specimen, open_specimen, reference_tiles
from augengine.probing.verdict import DEFAULT_RULE, Evidence, choose_eps

_DRAWS = 2


def probe(request: ProbeRequest, *, note: OnNote = lambda _: None, warn: OnNote = lambda _: None) -> Probe:
    """Measure a pair of generators on tissue: what it hides, how it responds, how much noise the tissue stands.

    Writes ``probe.json`` and the plots into ``request.out``.

    Args:
        request: What to measure.
        note, warn: Told in a line.

    Raises:
        SourceError: No tile shows tissue, or none a marker.
        TargetError: The folder cannot be written.
        AugengineError: As in `open_specimen`.
    """
    with open_specimen(request.specimen, note=note, warn=warn) as specimen:
        found = measure(specimen, request, note)
    _write(request.out, found)
    return found


def measure(specimen: Specimen, request: ProbeRequest, note: OnNote) -> Probe:
    """The numbers; nothing is written. Errors as in `probe`."""
    images = [tile.image_hwc for tile in specimen.tiles]
    rule, masks = _markers(specimen, request)
    real = _reference(specimen, request)
    began = time.monotonic()
    cycles = run_cycles(specimen.keys, specimen.inputs, specimen.to_reference, specimen.from_reference)
    sigmas = sorted({*request.sigmas, DEFAULT_RULE.stable_at, DEFAULT_RULE.responds_at, INTEGRATED_TO})
    _announce(note, len(cycles), _DRAWS * len(sigmas) + len(request.wipes.named()), time.monotonic() - began)
    back = [to_rgb(cycle.back) for cycle in cycles]
    base = structure(images, back, specimen.stain)
    points = tuple(_at(sigma, specimen, cycles, masks, rule, request.seed) for sigma in sigmas)
    markers = Markers(
        threshold=rule.threshold,
        area=share(masks),
        area_reconstructed=share([rule.mask(image) for image in back]),
        dice=dice(masks, [rule.mask(image) for image in back]),
        contrast=contrast(images, masks),
        contrast_hidden=contrast([to_rgb(cycle.there) for cycle in cycles], masks),
    )
    kept = {point.noise.sigma: kept_at(point, base, markers.area) for point in points}
    agreement = next(p.noise.agreement for p in points if p.noise.sigma == DEFAULT_RULE.responds_at)
    evidence = Evidence(dice=markers.dice, structure=base, kept=kept[DEFAULT_RULE.stable_at], agreement=agreement)
    return Probe(
        tissue=_tissue(specimen, request.seed),
        cycle=cycle_error(cycles),
        markers=markers,
        structure=base,
        points=points,
        wiped=tuple(wipe(cycles, masks, specimen.from_reference, rule, request.wipes)),
        spectrum=spectrum([cycle.there for cycle in cycles]),
        reference_spectrum=spectrum(real) if real else None,
        reference_tiles=len(real),
        costs=tuple(Cost(precision=pair.precision, budget=pair.budget) for pair in specimen.pairs),
        bounds=request.bounds,
        rule=DEFAULT_RULE,
        choice=choose_eps([kept[sigma] for sigma in request.sigmas], request.bounds),
        verdict=DEFAULT_RULE.judge(evidence, request.bounds),
    )


def _markers(specimen: Specimen, request: ProbeRequest) -> tuple[MarkerRule, list[Mask]]:
    images = [tile.image_hwc for tile in specimen.tiles]
    threshold = derive_threshold(images, specimen.stain) if request.threshold is None else request.threshold
    rule = MarkerRule(stain=specimen.stain, threshold=threshold)
    masks = [rule.mask(image) for image in images]
    if not share(masks):
        raise SourceError(
            f"none of {len(images)} tiles holds a {specimen.stain.name} marker (a concentration above {threshold:.3f})",
            hint="name tiles that show markers with --in, or a lower --threshold",
        )
    return rule, masks


def _reference(specimen: Specimen, request: ProbeRequest) -> list[FloatImage]:
    if request.reference_source is None:
        return []
    size = specimen.inputs[0].shape[1:]
    return reference_tiles(request.reference_source, specimen.stain, request.specimen.tiles, (size[0], size[1]))


def _at(
    sigma: float, specimen: Specimen, cycles: Sequence[Cycle], masks: Sequence[Mask], rule: MarkerRule, seed: int
) -> NoisePoint:
    first, second = (
        draw(cycles, specimen.from_reference, sigma=sigma, seed=seed, variant=variant) for variant in (1, _DRAWS)
    )
    images = [tile.image_hwc for tile in specimen.tiles]
    return NoisePoint(
        noise=under_noise(cycles, masks, (first, second), rule, sigma),
        structure=structure(images, [to_rgb(image) for image in first], specimen.stain),
    )


def _announce(note: OnNote, tiles: int, passes: int, seconds: float) -> None:
    # The two passes just made tell the time of the rest; a tile's masks and SSIM are a tenth of a pass.
    note(f"{tiles} tiles, {tiles * (passes + 2)} passes, about {seconds / 2 * passes * 1.1:.0f} s")


def _tissue(specimen: Specimen, seed: int) -> Tissue:
    weights = specimen.weights
    height, width = specimen.tiles[0].image_hwc.shape[:2]
    return Tissue(
        stain=weights.stain,
        reference=weights.reference,
        weights=(weights.digests["to-reference"], weights.digests["from-reference"]),
        backend=specimen.backend,
        height=height,
        width=width,
        keys=tuple(specimen.keys),
        left_out=specimen.left_out,
        surrogate=specimen.surrogate,
        seed=seed,
    )


def _write(out: Path, found: Probe) -> None:
    plots = draw_plots(found)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, png in plots.items():
            (out / name).write_bytes(png)
        text = json.dumps(found.to_json(), indent=2, ensure_ascii=False)
        (out / "probe.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise TargetError(f"cannot write {out}: {error.strerror}", hint="name another folder with --out") from error
