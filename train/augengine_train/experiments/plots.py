"""Plots of experiments, by matplotlib, which train/ imports here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from augengine.errors import TargetError


@dataclass(frozen=True, slots=True)
class Points:
    """Means with their deviations over an axis."""

    x: Sequence[float]
    mean: Sequence[float]
    deviation: Sequence[float]


def plot_eps(file: Path, title: str, points: Points, unaugmented: float | None) -> None:
    """Validation F1 against eps on a logarithmic axis, the unaugmented mean as a line.

    Raises:
        TargetError: It cannot be written.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(points.x, points.mean, yerr=points.deviation, fmt="o-", capsize=3, label="augmented")
    if unaugmented is not None:
        axes.axhline(unaugmented, color="grey", linestyle="--", label="unaugmented")
    axes.set(xscale="log", xlabel="eps", ylabel="validation F1 by pixel", title=title)
    axes.set_xticks(points.x, [f"{x:g}" for x in points.x])
    axes.minorticks_off()
    axes.legend()
    _save(figure, file)


def plot_table(file: Path, panels: Mapping[str, Mapping[str, Points]]) -> None:
    """F1 against the share of the training patients: a panel a world and stain, a line an arm.

    Args:
        file: A png.
        panels: Title -> arm -> points over percents.

    Raises:
        TargetError: It cannot be written.
    """
    columns = 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.5 * columns, 3.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (title, arms) in zip(grid.flat, panels.items(), strict=False):
        for offset, (arm, points) in enumerate(arms.items()):
            shifted = [x + 1.2 * (offset - len(arms) / 2) for x in points.x]
            axes.errorbar(shifted, points.mean, yerr=points.deviation, fmt="o-", capsize=2, markersize=4, label=arm)
        axes.set(title=title, xlabel="% of the training patients", ylabel="F1 by pixel")
        axes.set_xticks(next(iter(arms.values())).x)
    grid.flat[0].legend(fontsize=8)
    _save(figure, file)


def plot_amounts(file: Path, amounts: Sequence[float], curves: Mapping[str, Sequence[float]]) -> None:
    """F1 against the amount of the markers' chromogen in the test tiles, a line an arm; 1 are the tiles as they are.

    Args:
        file: A png.
        amounts: Ascending.
        curves: Arm -> F1 at each amount.

    Raises:
        TargetError: It cannot be written.
    """
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for arm, values in curves.items():
        axes.plot(amounts, values, "o-", markersize=4, label=arm)
    axes.axvline(1, color="grey", linestyle=":")
    axes.set(xlabel="times the markers' chromogen in the test tiles", ylabel="F1 by pixel", xticks=list(amounts))
    axes.set_title("A flat line does not rely on the markers")
    axes.legend(fontsize=8)
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Without the version that matplotlib would write into it: the same numbers, the same bytes.
        figure.savefig(file, dpi=120, metadata={"Software": None})
    except OSError as error:
        raise TargetError(f"cannot write {file}: {error.strerror}", hint="choose a folder with room") from error
