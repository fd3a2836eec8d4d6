"""Reading the plan of 35 000 shards: the parser, the types, and the search for fields that nobody knows.

Run: ``python -m benchmarks.plan_json``. It prints the median seconds of each over some rounds, in turns.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import msgspec

from augengine.digests import canonical_json
from augengine.jobs import Job
from augengine.json_values import from_json, parse_json, to_json
from augengine.runs import Plan
from augengine.spec import AugmentSpec, NoiseSpec
from benchmarks.rounds import Contender, interleave, quartiles

SHARDS, ROUNDS = 35_000, 9


def plan() -> Plan:
    """A plan of many shards, each with a sample that is known to be bad."""
    spec = AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05))
    jobs = (
        Job(index=i, source="s", first=0, count=3, size=5, digest="d", output=f"cd68-{i:06d}", excluded={3: "bad"})
        for i in range(SHARDS)
    )
    return Plan(spec=to_json(spec), source={}, engines={}, encoder="", jobs=tuple(jobs))


def main() -> None:
    """Measure and print."""
    data = to_json(plan())
    calls = {
        "parse_json": partial(parse_json, canonical_json(data)),
        "msgspec.convert": partial(msgspec.convert, data, Plan, str_keys=True),
        "from_json": partial(from_json, Plan, data),
    }
    seconds = interleave([Contender(name=name, run=call, images=SHARDS) for name, call in calls.items()], ROUNDS)
    sys.stdout.write(json.dumps({name: round(quartiles(each)[1], 3) for name, each in seconds.items()}) + "\n")


if __name__ == "__main__":
    main()
