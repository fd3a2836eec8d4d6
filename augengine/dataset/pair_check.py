"""A pair looked at before a dataset is made with it: refused, warned of, or let through."""

from __future__ import annotations

from typing import Any

from augengine.compiling import find_verdict, known_verdict
from augengine.dataset.resolved import PairRun
from augengine.errors import ShardError, SpecError
from augengine.measures.pair_verdict import MIN_TILES, PairVerdict
from augengine.progress import Watcher
from augengine.runs.record import read_record
from augengine.storage import AnyPath


def check_pair(run: PairRun, watcher: Watcher) -> PairVerdict | None:
    """Look at the pair on some tiles of the source, and say what was found; None if the user forces it unseen.

    Raises:
        SpecError: The pair is surely unstable on this tissue, and the user does not force it.
        AugengineError: The tiles cannot be read, or the engines cannot be made.
    """
    eps = run.spec.eps
    if run.request.force:
        known = known_verdict(run.weights, run.tiles, eps)
        if known is not None and not known.is_good:
            watcher.warn(f"forced, though the pair on this source was found to be {known.sentence()}")
        return known
    verdict = find_verdict(run.weights, run.tiles, eps, run.request.backend, watcher.note)
    if verdict.refuses:
        hint = f"{verdict.next_step}; --force goes on all the same"
        raise SpecError(f"this pair would spoil the dataset: {verdict.sentence()}", hint=hint)
    _say(verdict, eps, watcher)
    return verdict


def _say(verdict: PairVerdict, eps: float, watcher: Watcher) -> None:
    if verdict.is_good and not verdict.sure and verdict.tiles >= MIN_TILES:
        doubt = "the figures lie about the bound: is it the right stain? `augengine probe` shows the tiles"
        watcher.warn(f"the pair on this source: {verdict.sentence()}; {doubt}")
    elif verdict.is_good:
        watcher.note(f"the pair on this source: {verdict.sentence()}")
    else:
        watcher.warn(f"the pair on this source: {verdict.sentence()}; {verdict.next_step}")
    if moves := verdict.moves(eps):
        watcher.note(moves)


def verdict_of(folder: AnyPath) -> dict[str, Any]:
    """What the run that began a dataset found of its pair, as plain json values; empty if nobody looked."""
    try:
        record = read_record(folder)
    except ShardError:
        return {}
    return {} if record is None else dict(record.verdict)
