"""The plan of a dataset, from a request that was checked."""

from __future__ import annotations

from augengine.chain.pair import EnginesSpec
from augengine.dataset.resolved import Run
from augengine.json_values import to_json
from augengine.pictures.encode import encoder_version
from augengine.runs import Plan


def make_plan(run: Run, engines: EnginesSpec) -> Plan:
    """The plan of a run: equal for an equal request on an equal input, so that it can be gone on with."""
    return Plan(
        spec=to_json(run.spec),
        source=run.source.to_json(),
        engines=engines.to_json(),
        encoder=encoder_version(),
        jobs=run.jobs,
    )
