"""What a run needs before its first sample is made: engines and a verdict, or nothing where markers are shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from augengine.chain.pair import EnginesSpec
from augengine.dataset.engines import check_request, find_engines, keep_plans
from augengine.dataset.outfit import EngineOutfit
from augengine.dataset.pair_check import check_pair, verdict_of
from augengine.dataset.resolved import PairRun, Run
from augengine.dataset.shuffling import ShuffleOutfit, shuffling
from augengine.engines.backends import pick_backend
from augengine.engines.store import EngineStore
from augengine.errors import PlanMismatch
from augengine.fleet import Outfit
from augengine.progress import Watcher
from augengine.shards.write import target_errors
from augengine.spec import BackendName
from augengine.storage import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What makes samples, found.

    Attributes:
        engines: What the plan says of it.
        store: Where the engines are; None without engines.
        outfit: What each node of a joined cluster needs for it.
        verdict: What was found of the pair, as plain json values; empty if nobody looked, or there is none.
    """

    engines: EnginesSpec
    store: EngineStore | None
    outfit: Outfit
    verdict: Mapping[str, Any] = field(default_factory=dict)

    def kept_in(self, folder: AnyPath) -> Ready:
        """The same with engines that the dataset carries along, where a rebuild would have other bits."""
        if self.store is None:
            return self
        with target_errors(folder):
            return replace(self, store=keep_plans(self.store, self.engines, folder))


def follow_plan(run: Run, planned: EnginesSpec | None) -> Run:
    """The run as it goes on with a dataset: with the backend that the dataset was begun with.

    Args:
        run: What is to be made.
        planned: What the dataset's plan names, if samples of it were written.

    Raises:
        PlanMismatch: The request names another method or other engines.
    """
    if planned is None:
        return run
    begun, now = ("stain" if with_pair else "shuffle" for with_pair in (planned.runs_pair, isinstance(run, PairRun)))
    if begun != now:
        said = f"the dataset in {run.request.out} was begun with --method {begun}, now it is --method {now}"
        raise PlanMismatch(said, hint=f"--method {begun}, or choose another folder")
    if not isinstance(run, PairRun):
        return run
    check_request(run, planned)
    return replace(run, backend=pick_backend(cast(BackendName, planned.backend)))


def prepare(run: Run, planned: EnginesSpec | None, watcher: Watcher) -> Ready:
    """Look at the pair and find its engines, compiling what is missing; a run without generators needs neither.

    Args:
        run: What is to be made; see `follow_plan`.
        planned: What the dataset's plan names, if samples of it were written.
        watcher: Told what takes a while.

    Raises:
        SpecError: The pair is surely unstable on this source.
        AugengineError: Engines cannot be found or made.
    """
    if not isinstance(run, PairRun):
        return Ready(engines=shuffling(run), store=None, outfit=ShuffleOutfit())
    verdict = verdict_of(run.request.out)
    if planned is None and (found := check_pair(run, watcher)) is not None:
        run = replace(run, verdict=found)
        verdict = run.verdict_json
    store, engines = find_engines(run, planned, watcher)
    return Ready(engines=engines, store=store, outfit=EngineOutfit.of(run.weights, engines), verdict=verdict)
