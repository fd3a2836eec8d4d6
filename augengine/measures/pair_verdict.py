"""A pair judged on tiles: the verdict, how sure it is, and what noise of the asked strength moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augengine.measures.objects import WELL_MOVED, MarkerObjects
from augengine.measures.tile_numbers import TileNumbers
from augengine.measures.verdict import DEFAULT_RULE, MEANING, NEXT_STEP, Bounds, Evidence, Verdict, VerdictRule
from augengine.progress import counted

MAX_TILES = 8
"""Tiles that a pair is judged on: see `evenly_marked`."""

CANDIDATES = 64
"""Tiles, spread over the source, that they are chosen from."""

MIN_MARKER_PX = 500
"""Marker pixels over all tiles below which nothing can be said: about two macrophages at 0.5 um/px."""

MIN_MOVED = 0.2
"""Share of the small markers that noise must move for augmentation to do something."""

CONFIDENCE = 0.9
"""How sure a refusal must be: the interval over tiles, of which the whole must lie beyond a bound."""

MIN_TILES = 3
"""Tiles below which no verdict is sure: an interval over one or two of them says nothing."""

_RESAMPLES = 1000

Word = Literal["hides and responds", "hardly responds", "unstable", "cannot be judged"]

_NO_MARKER = "look at tiles with markers: `augengine probe --in`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """What a pair does to some tiles, judged.

    Attributes:
        word: The verdict, or that there is none.
        reason: Its figures, in words.
        sure: Whether the whole interval over the tiles gives this verdict.
        tiles: How many tiles were measured.
        marker_px: Marker pixels in all of them.
        dice: Dice of the markers of b and of its reconstruction without noise; None where there are none.
        dice_interval: The same, the ends of the interval over tiles.
        moved: By sigma: the share of the small markers that noise moves, and how many markers there are.
        keys: The tiles' samples.
        surrogate: Whether the tiles are drawn tissue that the pair does not know.
    """

    word: Word
    reason: str
    sure: bool
    tiles: int
    marker_px: int
    dice: float | None = None
    dice_interval: tuple[float, float] | None = None
    moved: tuple[tuple[float, float, int], ...] = ()
    keys: tuple[str, ...] = ()
    surrogate: bool = False

    @property
    def refuses(self) -> bool:
        """Whether nothing should be made with this pair on this tissue."""
        return self.word == "unstable" and self.sure

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to warn of; a pair that cannot be judged is not warned of."""
        return self.word in ("hides and responds", "cannot be judged")

    @property
    def next_step(self) -> str:
        """What to do about the verdict."""
        return _NO_MARKER if self.word == "cannot be judged" else NEXT_STEP[self.word]

    def sentence(self) -> str:
        """The verdict, its meaning and its figures."""
        meaning = "too little marker" if self.word == "cannot be judged" else MEANING[self.word]
        seen = f"on {counted(self.tiles, 'tile')}"
        if self.dice_interval is not None:
            seen += ", where the Dice without noise is {:.2f} to {:.2f} (90 % interval)".format(*self.dice_interval)
        return f"{self.word} ({meaning}): {self.reason}; {seen}"

    def lines(self, eps: float) -> list[str]:
        """The verdict, what noise of at most ``eps`` moves, and the next step, a line each."""
        said = [f"verdict: {self.sentence()}", self.moves(eps), f"next: {self.next_step}"]
        return [line for line in said if line]

    def moves(self, eps: float) -> str:
        """What noise of at most ``eps`` does to the small markers, in a sentence; empty where there are none."""
        if not self.moved:
            return ""
        here = [each for each in self.moved if each[0] <= eps + 1e-9] or [self.moved[0]]
        sigma, share, objects = here[-1]
        strongest = f", the strongest of eps {eps:g}" if abs(sigma - eps) < 1e-9 else ""
        text = f"at sigma {sigma:g}{strongest}, noise moves {share:.0%} of {objects} small markers"
        stronger = [(s, part) for s, part, _ in self.moved if s > sigma]
        if share >= MIN_MOVED or not stronger:
            return text
        other, part = next(((s, part) for s, part in stronger if part >= WELL_MOVED), stronger[-1])
        advice = "; augengine probe says whether the tissue bears as much" if part >= WELL_MOVED else ""
        return f"{text}; at {other:g} it moves {part:.0%}{advice}"


def no_tissue(reason: str) -> PairVerdict:
    """The verdict where no tile shows tissue: there is none."""
    return PairVerdict(word="cannot be judged", reason=reason, sure=True, tiles=0, marker_px=0)


def judge_pair(
    numbers: TileNumbers,
    *,
    keys: tuple[str, ...] = (),
    surrogate: bool = False,
    rule: VerdictRule = DEFAULT_RULE,
    bounds: Bounds | None = None,
) -> PairVerdict:
    """Judge a pair by what it does to tiles.

    The tiles are drawn again with replacement a thousand times. A verdict is sure if it holds in 95 of 100 draws: then
    the whole 90 % interval lies on its side of the bound. On fewer than `MIN_TILES` tiles none is sure. ``keys`` and
    ``surrogate`` are only written down.
    """
    limits = bounds or Bounds()
    px = int(numbers.marker_px.sum())
    moved = tuple(_moved(sigma, objects) for sigma, objects in sorted(numbers.moved.items()) if objects.before)
    if px < MIN_MARKER_PX:
        reason = f"the tiles hold {px} marker pixels, {MIN_MARKER_PX} are needed"
        return PairVerdict(
            word="cannot be judged",
            reason=reason,
            sure=True,
            tiles=numbers.tiles,
            marker_px=px,
            keys=keys,
            surrogate=surrogate,
        )
    verdict = rule.judge(numbers.evidence(rule), limits)
    drawn = [numbers.evidence(rule, chosen) for chosen in _resamples(numbers.tiles)]
    return PairVerdict(
        word=verdict.word,
        reason=verdict.reason,
        sure=numbers.tiles >= MIN_TILES and _agreeing(drawn, verdict, rule, limits) >= (1 + CONFIDENCE) / 2,
        tiles=numbers.tiles,
        marker_px=px,
        dice=numbers.evidence(rule).dice,
        dice_interval=_interval([each.dice or 0.0 for each in drawn]),
        moved=moved,
        keys=keys,
        surrogate=surrogate,
    )


def _moved(sigma: float, objects: MarkerObjects) -> tuple[float, float, int]:
    return sigma, objects.moved or 0.0, objects.before


def _resamples(tiles: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Tiles drawn with replacement, (`_RESAMPLES`, tiles); always the same."""
    return np.random.default_rng(0).integers(0, tiles, (_RESAMPLES, tiles))


def _agreeing(drawn: list[Evidence], verdict: Verdict, rule: VerdictRule, bounds: Bounds) -> float:
    return float(np.mean([rule.judge(each, bounds).word == verdict.word for each in drawn]))


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
