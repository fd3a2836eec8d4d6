"""A pair on tissue that no training saw, beside the pair that is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from augengine.measures.verdict import DEFAULT_RULE
from augengine.pictures.files import write_png
from augengine.stains import BUILT_IN
from augengine_train.cyclegan.judge import held_out_judge, score
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Domain
from augengine_train.experiments.package_pairs.plans import REFERENCE
from augengine_train.validate import Validation, measure
from augengine_train.validate.grid import sample_grid

MIN_DICE = DEFAULT_RULE.least_dice
SIGMAS = (0.01, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
_SHOWN = (0.05, 0.07, 0.1, 0.2)

Row = tuple[str, Callable[[Validation], float | None]]


def judged(stain: str, reference: Domain, own: Domain, weights: Path, grid: Path | None = None) -> Validation:
    """A stored pair's numbers on the held-out strips, and its grid if asked for."""
    pair = load_pair(REFERENCE, stain, weights)
    networks = pair.to_reference, pair.from_reference
    if grid is not None:
        write_png(grid, sample_grid(*networks, reference.held_out, own.held_out))
    judge = held_out_judge(reference, own, BUILT_IN[stain])
    held_out = reference.held_out, own.held_out
    return measure(*networks, *held_out, BUILT_IN[stain], sigmas=SIGMAS, threshold=judge.threshold)


def table(new: Validation, old: Validation | None) -> list[str]:
    """Measures of the new and the old pair side by side, one per line."""
    rows: list[Row] = [
        (f"cycle error of {new.reference}, L1", lambda v: v.cycle_reference.l1),
        (f"cycle error of {new.stain}, L1", lambda v: v.cycle_stain.l1),
        (f"PSNR of {new.stain}, dB", lambda v: v.cycle_stain.psnr),
        ("checkerboard over the source, dB", lambda v: v.checkerboard_db),
        ("marker Dice without noise", lambda v: v.marker_dice),
        ("marker area, real", lambda v: v.marker_area),
        ("marker area, reconstructed", lambda v: v.marker_area_cycled),
        ("contrast of the markers in A', grey levels", lambda v: v.contrast_hidden),
        ("error at the borders over that inside", lambda v: v.rim),
        *(row for i, sigma in enumerate(new.sigmas) if sigma in _SHOWN for row in _under_noise(i, sigma)),
        ("score, lower is better", score),
    ]
    head = f"{new.reference}-{new.stain}, held-out strips".ljust(46) + "new".rjust(10) + "committed".rjust(12)
    return [head, *(f"{name:46}{_cell(of(new)):>10}{_cell(of(old)) if old else '-':>12}" for name, of in rows)]


def _under_noise(i: int, sigma: float) -> list[Row]:
    return [
        (f"agreement at sigma {sigma:g}", lambda v: v.agreement[i]),
        (f"response at sigma {sigma:g}", lambda v: v.response[i]),
        (f"structure left at sigma {sigma:g}", lambda v: v.structure[i] if v.structure else None),
        *((f"small markers {name} at sigma {sigma:g}", partial(_moved, i, name)) for name in ("kept", "lost", "new")),
    ]


def _moved(i: int, name: str, found: Validation) -> int | None:
    return getattr(found.objects[i], name) if found.objects else None


def is_better(new: Validation, old: Validation | None) -> bool:
    """Whether the new pair reaches the least Dice and has the lower score."""
    dice = new.marker_dice
    return dice is not None and dice >= MIN_DICE and (old is None or score(new) < score(old))


def _cell(value: float | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
