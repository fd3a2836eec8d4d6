"""A new pair on held-out tissue: its numbers, its verdict and its eps, beside the pair that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augengine.measures.pair_verdict import PairVerdict
from augengine.stains import BUILT_IN, PAPERS_EPS
from augengine.weights.cards import find_weights
from augengine_train.cyclegan.finish import keep_verdict
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Domain
from augengine_train.experiments.package_pairs.judgement import is_better, judged, table
from augengine_train.experiments.package_pairs.plans import REFERENCE
from augengine_train.experiments.package_pairs.recommended import RecommendedEps, recommend
from augengine_train.validate import Validation
from augengine_train.validate.verdict import judge_networks


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was found of a new pair.

    Attributes:
        new: Its numbers.
        old: Those of the pair that is kept; None if there is none.
        verdict: What `augment` would say of it on the held-out pictures.
        recommended: Its eps.
    """

    new: Validation
    old: Validation | None
    verdict: PairVerdict
    recommended: RecommendedEps

    @property
    def may_replace(self) -> bool:
        """Whether the new pair is better, and not unstable."""
        return is_better(self.new, self.old) and self.verdict.word != "unstable"

    def lines(self) -> list[str]:
        """All of it as lines of text."""
        eps = self.recommended.eps or PAPERS_EPS
        return ["", *table(self.new, self.old), *self.verdict.lines(eps), self.recommended.sentence()]


def try_pair(stain: str, reference: Domain, own: Domain, run: Path, weights: Path) -> Trial:
    """Measure a pair that was trained, draw it into ``held-out.png``, and write its verdict and eps on both its cards.

    Args:
        stain: The stain's name.
        reference, own: What it was trained on; their held-out strips are measured.
        run: Folder of the training, with its ``weights``.
        weights: Folder of the pairs that are kept.
    """
    made = run / "weights"
    new = judged(stain, reference, own, made, run / "held-out.png")
    old = judged(stain, reference, own, weights) if has_pair(stain, weights) else None
    pair = load_pair(REFERENCE, stain, made)
    verdict = judge_networks(pair.to_reference, pair.from_reference, own.held_out, BUILT_IN[stain])
    trial = Trial(new=new, old=old, verdict=verdict, recommended=recommend(new))
    keep_verdict(made / f"{REFERENCE}-{stain}", f"{verdict.sentence()}; {trial.recommended.sentence()}")
    return trial


def has_pair(stain: str, weights: Path) -> bool:
    """Whether a folder of weights holds a stain's pair."""
    return (weights / f"{REFERENCE}-{stain}").is_dir() and bool(find_weights(REFERENCE, stain, [weights]))
