"""The judgement: does a pair hide markers and lose them under noise, and how much noise does tissue stand.

Every threshold stands here with its reason, and in docs/guide/probing.md with the numbers behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from augengine.errors import SpecError

Word = Literal["hides and responds", "hardly responds", "unstable"]

MEANING: dict[Word, str] = {
    "hides and responds": "noise moves the markers, and leaves the tissue",
    "hardly responds": "augmentation would do nothing",
    "unstable": "do not augment with it",
}

NEXT_STEP: dict[Word, str] = {
    "hides and responds": "open the report of `augengine probe`, move its slider, then augment with its eps",
    "hardly responds": "train a pair that hides its markers: `augengine train cyclegan`, with [hiding] in its recipe",
    "unstable": "check the um/px of the tiles, the stain and the marker threshold; if they are right, the pair does "
    "not know this tissue: `augengine train cyclegan` trains one that does",
}
"""What to do about a verdict."""


def figure(value: float, bound: float) -> str:
    """A figure with two digits, or with more where those are its bound's and would hide on which side it lies."""
    text = f"{value:.2f}"
    return text if float(text) != bound else f"{value:.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of the tiles survives noise of one sigma, as far as needs no label.

    Attributes:
        sigma: Standard deviation of the noise; an eps of this size draws none that is larger.
        structure: Structural similarity of the counterstain between b and b', as a share of what the
            reconstruction without noise has.
        area: Marker area of b' over that of b.
    """

    sigma: float
    structure: float
    area: float

    def __post_init__(self) -> None:
        if not self.sigma > 0 or not self.area >= 0:
            raise SpecError(f"a sigma above 0 and an area of at least 0 are needed, got {self.sigma} and {self.area}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a variant may be from its source.

    Attributes:
        structure: Least share of the reconstruction's own structural similarity that noise leaves. At 0.95 the first
            pairs end at eps 0.1 (CD68, CD34) and 0.05 (colon) on real tissue: not below the paper's best 0.05, and
            within what looked real there (0.3 for CD68, 0.1 for CD34).
        area: Most factor between the marker areas of b' and b, either way. Half as many markers again is less than
            neighbouring tiles differ by (CD34 field: 1.5 times, colon: 3 times); the label stays plausible.
    """

    structure: float = 0.95
    area: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.structure <= 1:
            raise SpecError(
                f"the bound of structure is a share in (0, 1], got {self.structure}", hint="--least-structure 0.95"
            )
        if not 1 <= self.area < float("inf"):
            raise SpecError(
                f"the bound of marker area is a factor of at least 1, got {self.area}", hint="--most-area 1.5"
            )

    def broken(self, kept: Kept) -> str:
        """Which bound a sigma breaks, in words; empty if both are kept."""
        return self.broken_area(kept) or self.broken_structure(kept)

    def broken_area(self, kept: Kept) -> str:
        """Why the marker area is beyond its bound, in words; empty if it is within."""
        if 1 / self.area <= kept.area <= self.area:
            return ""
        area = f"{figure(kept.area, self.area)} times the source's, beyond {self.area:g}"
        return f"at sigma {kept.sigma:g}, the marker area is {area}"

    def broken_structure(self, kept: Kept) -> str:
        """Why too little of the counterstain's structure is left, in words; empty if enough is."""
        if kept.structure >= self.structure:
            return ""
        left = f"{figure(kept.structure, self.structure)} of the counterstain's structure is left"
        return f"at sigma {kept.sigma:g}, {left}, {self.structure:g} is needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsChoice:
    """The label-free rule for eps, applied.

    Attributes:
        eps: The largest of the grid within the bounds, with all smaller ones; None if not even the smallest is.
        reason: What ends it, in a sentence.
    """

    eps: float | None
    reason: str


def choose_eps(grid: Sequence[Kept], bounds: Bounds) -> EpsChoice:
    """The largest eps whose strongest noise, sigma = eps, keeps within the bounds; it stops at the first that does not.

    Args:
        grid: By ascending sigma.
        bounds: How far a variant may be from its source.
    """
    chosen = None
    for kept in grid:
        if broken := bounds.broken(kept):
            return EpsChoice(eps=chosen, reason=broken)
        chosen = kept.sigma
    return EpsChoice(eps=chosen, reason="the whole grid stays within the bounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        dice: Dice of the markers of b and of its reconstruction without noise; None if neither has any.
        structure: Structural similarity of the counterstain between the same two.
        usual: What survives at the rule's ``stable_at``.
        strong: What survives at its ``responds_at``.
        agreement: Dice of two draws there; None if both are without markers.
    """

    dice: float | None
    structure: float
    usual: Kept
    strong: Kept
    agreement: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement in words, and the reason."""

    word: Word
    reason: str

    def sentence(self) -> str:
        """The verdict, its meaning and its reason as a sentence."""
        return f"{self.word} ({MEANING[self.word]}): {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRule:
    """Which numbers give which verdict.

    Attributes:
        least_dice: Below it the markers do not come back even without noise, and what noise does to them cannot be
            told from the pair's own mistakes. The same 0.75 decides whether `make weights` keeps a pair.
        least_structure: Below it the reconstruction is other tissue: two different tiles of one real field have
            0.03 to 0.08, the first pairs 0.43 to 0.74.
        stable_at: The sigma at which the bounds must hold: the paper's best eps, so the strongest noise of a usual run.
        responds_at: The sigma at which two draws are compared: the end of the range over which sensitivity is
            integrated, and beyond every eps that the bounds allowed so far.
        most_agreement: Above it the draws are one arrangement. The same noise on the picture itself, where nothing
            is hidden, leaves masks that agree 0.91 to 0.94 (three stains): 0.8 asks for more than twice that
            disagreement. A pair that hides its markers in drawn tissue had 0.32.
    """

    least_dice: float = 0.75
    least_structure: float = 0.2
    stable_at: float = 0.05
    responds_at: float = 0.2
    most_agreement: float = 0.8

    def __post_init__(self) -> None:
        for name in ("least_dice", "least_structure", "most_agreement"):
            if not 0 < getattr(self, name) < 1:
                raise SpecError(f"{name} is a share in (0, 1), got {getattr(self, name)}")
        if not 0 < self.stable_at < self.responds_at <= 2:
            raise SpecError(f"0 < stable_at < responds_at <= 2, got {self.stable_at} and {self.responds_at}")

    def judge(self, seen: Evidence, bounds: Bounds) -> Verdict:
        """The verdict.

        The copies of a pair that hides nothing agree, and yet noise on them spoils the tissue: so "hardly responds"
        comes before the bound of structure. Where nearly everything turns into marker two draws agree by chance: so it
        comes after that of area.
        """
        if reason := self._broken_without_noise(seen) or bounds.broken_area(seen.usual):
            return Verdict(word="unstable", reason=reason)
        drawn = (
            f"two draws at sigma {self.responds_at:g} agree {figure(seen.agreement or 0, self.most_agreement)} (Dice)"
        )
        if seen.agreement is None:
            return Verdict(word="unstable", reason=f"at sigma {self.responds_at:g}, no marker is left")
        if seen.agreement > self.most_agreement:
            if reason := bounds.broken_area(seen.strong):
                return Verdict(word="unstable", reason=f"{drawn} by chance: {reason}")
            return Verdict(word="hardly responds", reason=f"{drawn}, more than {self.most_agreement:g}")
        if reason := bounds.broken_structure(seen.usual):
            return Verdict(word="unstable", reason=reason)
        found = f"without noise the markers come back with a Dice of {figure(seen.dice or 0, self.least_dice)}"
        return Verdict(word="hides and responds", reason=f"{found}; {drawn}")

    def _broken_without_noise(self, seen: Evidence) -> str:
        if seen.dice is None or seen.dice < self.least_dice:
            found = f"{figure(seen.dice or 0, self.least_dice)}, {self.least_dice:g} is needed"
            return f"without noise the markers come back with a Dice of {found}"
        if not seen.structure >= self.least_structure:
            found = f"{figure(seen.structure, self.least_structure)}, {self.least_structure:g} is needed"
            return f"without noise the counterstain has a structural similarity of {found}"
        return ""


DEFAULT_RULE = VerdictRule()
