"""The plots of a probe, one figure a question; matplotlib without its global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from augengine.measures.spectrum import HIGHEST
from augengine.probing.report import INTEGRATED_TO, Probe

if TYPE_CHECKING:  # 0.5 s to import: only where something is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT, _GRID = "#212529", "#6c757d", "#e3e6e9"
_STAIN, _REFERENCE, _TISSUE = "#a0522d", "#b5377d", "#3465a4"
_GOOD = "#dcefe0"
_WIDTH, _HEIGHT, _DPI = 7.2, 4.4, 130


def draw_plots(found: Probe) -> dict[str, bytes]:
    """PNGs by file name: response, markers, eps, code and spectrum."""
    figures = {
        "response.png": _response(found),
        "markers.png": _markers(found),
        "eps.png": _eps(found),
        "code.png": _code(found),
        "spectrum.png": _spectrum(found),
    }
    return {name: _png(figure) for name, figure in figures.items()}


def _figure(title: str, found: Probe, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of panels below each other that share their x axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = _HEIGHT if panels == 1 else 1.35 * _HEIGHT
    # Margins of its own: a layout engine draws everything twice, a second a figure.
    margins = {"left": 0.13, "right": 0.97, "bottom": 0.5 / height, "top": 1 - 0.62 / height, "hspace": 0.08}
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    figure.subplots_adjust(**margins)
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False).ravel())
    tissue = found.tissue
    figure.suptitle(title, x=0.13, y=1 - 0.12 / height, ha="left", va="top", fontsize=13, color=_INK)
    size = f"{tissue.width} x {tissue.height} px"
    note = f"{tissue.stain} by way of {tissue.reference}, {len(tissue.keys)} tiles of {size}"
    axes[0].set_title(note + (", recoloured" if tissue.surrogate else ""), loc="left", fontsize=9, color=_FAINT)
    for ax in axes:
        _plain(ax)
    return figure, axes


def _plain(ax: Axes) -> None:
    ax.grid(color=_GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=_FAINT, labelsize=9)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_GRID)


def _label(ax: Axes, x: str = "", y: str = "") -> None:
    if x:
        ax.set_xlabel(x, color=_INK, fontsize=10)
    if y:
        ax.set_ylabel(y, color=_INK, fontsize=10)


def _legend(ax: Axes) -> None:
    ax.legend(frameon=False, fontsize=9, labelcolor=_INK)


def _sigma_axis(ax: Axes, found: Probe) -> list[float]:
    """A logarithmic axis with a tick at each sigma measured."""
    sigmas = [point.noise.sigma for point in found.points]
    ax.set_xscale("log")
    ax.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
    ax.set_xticks([], minor=True)
    return sigmas


def _response(found: Probe) -> Figure:
    figure, (ax,) = _figure("How much the reconstruction changes under noise", found)
    sigmas = [0.0, *(point.noise.sigma for point in found.points)]
    response = [0.0, *(point.noise.response for point in found.points)]
    inside = np.linspace(0, INTEGRATED_TO, 200)
    said = f"integral to {INTEGRATED_TO:g}: {found.response_integral:.4f}"
    ax.fill_between(inside, np.interp(inside, sigmas, response), color=_STAIN, alpha=0.15, linewidth=0, label=said)
    ax.plot(sigmas, response, "o-", color=_STAIN, markersize=4, label="response to noise")
    top = 1.15 * max(response)
    ax.plot([0, sigmas[-1]], [0, sigmas[-1]], "--", color=_FAINT, linewidth=1, label="the noise itself")
    ax.set(xlim=(0, sigmas[-1]), ylim=(0, max(top, 1e-3)))
    _label(ax, "sigma of the noise on A'", "RMS change, of [-1, 1]")
    _legend(ax)
    return figure


def _markers(found: Probe) -> Figure:
    figure, (top, bottom) = _figure("What noise does to the markers", found, panels=2)
    sigmas = _sigma_axis(top, found)
    _sigma_axis(bottom, found)
    nothing = float("nan")
    agreement, faithful = (
        [nothing if value is None else value for value in values]
        for values in zip(*((p.noise.agreement, p.noise.faithful) for p in found.points), strict=True)
    )
    top.plot(sigmas, agreement, "o-", color=_STAIN, markersize=4, label="two draws agree")
    top.plot(sigmas, faithful, "s-", color=_TISSUE, markersize=4, label="one draw and the source")
    if found.markers.dice is not None:
        top.axhline(found.markers.dice, color=_FAINT, linestyle=":", label="without noise and the source")
    rule = found.rule
    top.plot([rule.responds_at], [rule.most_agreement], "v", color=_INK, markersize=7, label="below: it responds")
    if found.control.agreement is not None:
        said = "two draws of noise on the picture itself"
        top.plot([found.control.sigma], [found.control.agreement], "o", color=_INK, fillstyle="none", label=said)
    top.set_ylim(0, 1.02)
    _label(top, y="Dice of the marker masks")
    _legend(top)
    bottom.plot(sigmas, [100 * p.noise.area for p in found.points], "o-", color=_STAIN, markersize=4, label="one draw")
    bottom.axhline(100 * found.markers.area, color=_FAINT, linestyle=":", label="the source")
    bottom.set_ylim(bottom=0)
    _label(bottom, "sigma of the noise on A'", "marker area, %")
    _legend(bottom)
    return figure


def _eps(found: Probe) -> Figure:
    figure, (top, bottom) = _figure("How much noise the tissue stands", found, panels=2)
    kept, bounds = found.kept(), found.bounds
    sigmas = _sigma_axis(top, found)
    _sigma_axis(bottom, found)
    structure, area = [each.structure for each in kept], [each.area for each in kept]
    top.axhspan(bounds.structure, 1, color=_GOOD, label="within the bounds")
    top.plot(sigmas, structure, "o-", color=_TISSUE, markersize=4)
    top.set_ylim(min(0.5, *structure) - 0.05, 1.05)
    _label(top, y="counterstain's structure\nleft by the noise")
    bottom.axhspan(1 / bounds.area, bounds.area, color=_GOOD)
    bottom.plot(sigmas, area, "o-", color=_STAIN, markersize=4)
    bottom.set_ylim(0, max(1.1 * bounds.area, 1.1 * max(area)))
    _label(bottom, "sigma of the noise on A'", "marker area over\nthe source's")
    if found.choice.eps is not None:
        for ax in (top, bottom):
            ax.axvline(found.choice.eps, color=_INK, linestyle="--", linewidth=1.2, label=f"eps {found.choice.eps:g}")
    _legend(top)
    return figure


def _code(found: Probe) -> Figure:
    figure, (top, bottom) = _figure("What is lost when the code in A' is wiped", found, panels=2)
    names = [each.name for each in found.wiped]
    top.bar(names, [each.marker_dice or 0 for each in found.wiped], 0.5, color=_STAIN)
    if found.markers.dice is not None:
        top.axhline(found.markers.dice, color=_INK, linestyle="--", linewidth=1.2, label="A' as it is")
        _legend(top)
    top.set_ylim(0, 1.02)
    _label(top, y="Dice of the markers\nwith the source's")
    bottom.bar(names, [each.lost for each in found.wiped], 0.5, color=_TISSUE)
    bottom.axhline(0, color=_FAINT, linewidth=0.8)
    _label(bottom, y="error of the reconstruction\nadded, RMS")
    for ax in (top, bottom):
        ax.grid(visible=False, axis="x")
        ax.margins(y=0.15)
    top.set_ylim(0, 1.02)
    bottom.tick_params(axis="x", labelsize=10, labelcolor=_INK)
    return figure


def _spectrum(found: Probe) -> Figure:
    own, real = found.spectrum, found.reference_spectrum
    figure, axes = _figure("Where A' differs from real tissue, by frequency", found, panels=1 if real is None else 2)
    axes[0].semilogy(own.frequency, own.power, color=_REFERENCE, label="A'")
    if real is None:
        _label(axes[0], "radial frequency, cycles/px", "power density")
        axes[0].plot([], [], " ", label=f"no real {found.tissue.reference} to compare with")
    else:
        said = f"{found.reference_tiles} real {found.tissue.reference} tiles"
        axes[0].semilogy(real.frequency, real.power, color=_FAINT, label=said)
        axes[1].plot(own.frequency, own.over(real).ratio_db, color=_REFERENCE)
        axes[1].axhline(0, color=_FAINT, linewidth=0.8)
        _label(axes[0], y="power density")
        _label(axes[1], "radial frequency, cycles/px", "A' over real, dB")
    axes[-1].set_xlim(0, HIGHEST)
    _legend(axes[0])
    return figure


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor="white")
    return out.getvalue()
