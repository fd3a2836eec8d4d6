"""Does the gate of `augengine augment --gate` leave out the variants whose masks no longer fit? Its curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CHANGED = 0.05
"""A mask has changed if the segmenter's F1 with it falls by more than this from the tile to the variant."""

MIN_SHOWN = 0.02
"""Least share of a tile that its mask must cover: on a sliver at the border a few pixels decide F1."""

STEP = 0.02
"""Distance between the gates of a curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a segmenter finds in one variant.

    Attributes:
        key: The tile's key.
        variant: Which of the tile's variants, counted from 1 among those that are there.
        ssim: Structural similarity of its counterstain with the tile's, in [-1, 1].
        shown: Share of the tile that its mask covers.
        own, varied: F1 by pixel with the tile's mask, in the tile and in the variant.
    """

    key: str
    variant: int
    ssim: float
    shown: float
    own: float
    varied: float

    @property
    def changed(self) -> bool:
        """Whether the mask fits the variant less well than the tile."""
        return self.own - self.varied > CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What one gate would do.

    Attributes:
        least: The least similarity that passes.
        left_out: Share of the variants that it leaves out.
        caught: Share of the changed ones that it leaves out.
        wasted: Share of the unchanged ones that it leaves out.
        changed: Share of changed ones among those that pass.
    """

    least: float
    left_out: float
    caught: float
    wasted: float
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCurve:
    """The gates over all similarities that occur.

    Attributes:
        variants: How many were looked at: those of tiles whose mask covers at least `MIN_SHOWN`.
        changed: Share of them whose mask has changed.
        area: Area under the curve of ``caught`` over ``wasted``: 0.5 is chance, and 1 parts them without error.
        gates: Ascending.
    """

    variants: int
    changed: float
    area: float
    gates: tuple[Gate, ...]

    def lines(self) -> Iterator[str]:
        """The curve as lines of text."""
        yield f"the mask changed in {self.changed:.0%} of {self.variants} variants"
        yield f"area under the gate's curve {self.area:.2f}, where 0.5 is chance"
        yield "gate   leaves out   of the changed   of the others   changed among the rest"
        for gate in self.gates:
            numbers = (gate.left_out, gate.caught, gate.wasted, gate.changed)
            yield f"{gate.least:.2f} " + "".join(f"{number:15.0%}" for number in numbers)


def gate_curve(looks: Sequence[Look]) -> GateCurve | None:
    """The curve over some variants; None where none of them, or all, have changed: then there is nothing to part."""
    shown = [look for look in looks if look.shown >= MIN_SHOWN]
    ssims, changed = np.array([look.ssim for look in shown]), np.array([look.changed for look in shown], dtype=np.bool_)
    if not changed.any() or changed.all():
        return None
    first, last = np.floor(ssims.min() / STEP), np.ceil(ssims.max() / STEP)
    gates = tuple(_gate(round(STEP * float(step), 2), ssims, changed) for step in np.arange(first, last + 1))
    return GateCurve(variants=len(shown), changed=float(changed.mean()), area=_area(ssims, changed), gates=gates)


def _gate(least: float, ssims: np.ndarray[Any, Any], changed: np.ndarray[Any, Any]) -> Gate:
    out = ssims < least
    rest = changed[~out]
    return Gate(
        least=least,
        left_out=float(out.mean()),
        caught=float(out[changed].mean()),
        wasted=float(out[~changed].mean()),
        changed=float(rest.mean()) if rest.size else 0.0,
    )


def _area(ssims: np.ndarray[Any, Any], changed: np.ndarray[Any, Any]) -> float:
    """How often a changed variant is less similar than an unchanged one (Mann and Whitney 1947); a tie is half."""
    below = ssims[changed][:, None] - ssims[~changed][None]
    return float((below < 0).mean() + (below == 0).mean() / 2)
