"""A dataset that exists: its plan, and what made it, ready to make samples again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from augengine.chain.base import Chain, Outcome, Request
from augengine.chain.pair import EnginesSpec
from augengine.dataset.check import check_sample
from augengine.dataset.load import find_store
from augengine.dataset.spec import WorkerSpec
from augengine.errors import EngineError, ShardError, SpecError
from augengine.jobs import Job
from augengine.json_values import from_json
from augengine.machine import cpu_threads
from augengine.runs import Plan, read_plan
from augengine.sample import Failure, Sample
from augengine.sources import SampleSet, source_from_json
from augengine.spec import AugmentSpec
from augengine.storage import AnyPath


@dataclass(frozen=True, slots=True)
class Reopened:
    """A folder that `augment` wrote, its plan, and a worker that makes the same bytes."""

    folder: AnyPath
    plan: Plan
    worker: WorkerSpec

    @property
    def spec(self) -> AugmentSpec:
        """What was augmented and how."""
        return self.worker.spec


def reopen(folder: AnyPath) -> Reopened:
    """Open a dataset.

    Raises:
        ShardError: The folder holds none.
        EngineError: Its engines are not on this machine.
    """
    plan = read_plan(folder)
    if plan is None:
        raise ShardError(f"{folder} is no dataset of augengine's", hint="name the folder that augment wrote")
    engines = planned_engines(folder, plan)
    worker = WorkerSpec(
        target=str(folder),
        spec=from_json(AugmentSpec, plan.spec),
        source=plan.source,
        engines=engines,
        store=_store(folder, plan, engines) if engines.runs_pair else "",
        threads=cpu_threads(),
    )
    return Reopened(folder, plan, worker)


def _store(folder: AnyPath, plan: Plan, engines: EnginesSpec) -> str:
    if (store := find_store(folder, engines)) is not None:
        return str(store.root)
    # The sample set's pair is built only where no stain is named.
    only = "" if plan.source == SampleSet().to_json() else f"--stain {plan.spec['stain']} "
    hint = f"augengine build-engines {only}--size {max(engines.height, engines.width)}"
    if engines.precision == "int8":  # ranges are the plan's, which building anew would not give
        hint = "type the command of its README again, which makes the engines of its plan"
    raise EngineError(f"the engines of {folder} are not on this machine", hint=hint)


def planned_engines(folder: AnyPath, plan: Plan) -> EnginesSpec:
    """The engines that a plan names.

    Raises:
        ShardError: Fields are missing or unknown.
    """
    try:
        return from_json(EnginesSpec, plan.engines)
    except SpecError as error:
        hint = "choose another folder for the output"
        raise ShardError(f"the plan of {folder} does not name its engines: {error}", hint=hint) from error


def read_sources(dataset: Reopened, job: Job) -> Iterator[Sample | Failure]:
    """The sources of a shard, checked as the run checked them; one outcome each, in order."""
    for outcome in source_from_json(dataset.plan.source).read(job):
        yield check_sample(outcome, dataset.worker) if isinstance(outcome, Sample) else outcome


def draw(chain: Chain, sample: Sample) -> Outcome:
    """The variants of one source."""
    chain.put([Request(key=sample.key, image=sample.image)])
    (outcome,) = chain.get()
    return outcome
