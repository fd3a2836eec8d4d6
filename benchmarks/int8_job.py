"""``python -m benchmarks.int8_job --case NAME STAIN IN ...``: the whole job in int8 beside that without.

Without int8 it runs in the machine's 16-bit type, or in float32 where there is none. Trained pairs work on real tiles.
At each eps int8 has as many blocks as the noise bears, and `auto` says what it would take. Jobs of an eps take turns.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from augengine.dataset import AugmentRequest
from augengine.engines.backends import pick_backend
from augengine.errors import SpecError
from augengine.machine import cpu_threads
from augengine.spec import Precision
from augengine.storage.atomic import write_whole
from benchmarks.machine import machine_facts, versions
from benchmarks.rounds import Contender, interleave, ratio, row
from benchmarks.speed.ours import finish, start

RESULT = Path("benchmarks/results/int8_job.json")
_SOURCES = 32
"""Sources a call at least: few tiles are taken again and again."""


def measure(stain: str, folder: str, eps: float, variants: int, rounds: int) -> dict[str, Any]:
    """One pair at one eps: rates, their ratio, the blocks in int8, and what auto takes."""
    other = pick_backend("openvino").precisions()[0]
    with tempfile.TemporaryDirectory() as work, ExitStack() as stack:
        contenders, said = list[Contender](), dict[str, str]()
        for precision in ("int8", other):
            try:
                made, why = _job(stain, folder, eps, variants, Path(work), precision, stack)
            except SpecError as error:
                return {"eps": eps, "refused": str(error)}
            contenders.append(made)
            said[precision] = why
        auto = _chosen(stain, folder, eps, variants, Path(work))
        seconds = interleave(contenders, rounds)
    rows = {each.name: row(each, seconds[each.name], {}) for each in contenders}
    return {
        "eps": eps,
        "rows": rows,
        "int8_over_the_other": ratio(seconds["int8"], seconds[other]),
        "engines": said,
        "auto": auto,
    }


def _job(
    stain: str, folder: str, eps: float, variants: int, work: Path, precision: Precision, stack: ExitStack
) -> tuple[Contender, str]:
    worker, jobs, engines = start(_request(stain, folder, eps, variants, work / precision, precision), cpu_threads())
    stack.enter_context(worker)
    sources = sum(job.count for job in jobs)
    times = math.ceil(_SOURCES / sources)
    run = lambda: finish(worker, jobs * times, publishes=True)  # noqa: E731
    return Contender(name=precision, run=run, images=sources * times), engines.why


def _chosen(stain: str, folder: str, eps: float, variants: int, work: Path) -> str:
    worker, _, engines = start(_request(stain, folder, eps, variants, work / "auto", None), cpu_threads())
    worker.close()
    return f"{engines.precision} ({engines.why})"


def _request(
    stain: str, folder: str, eps: float, variants: int, out: Path, precision: Precision | None
) -> AugmentRequest:
    return AugmentRequest(
        source=folder,
        out=out,
        stain=stain,
        eps=eps,
        mpp=0.5,
        variants=variants,
        precision=precision,
        force=True,
        workers=1,
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("NAME", "STAIN", "IN")
    parser.add_argument("--case", nargs=3, action="append", required=True, metavar=names)
    parser.add_argument("--eps", type=float, nargs="+", default=[0.1, 0.05])
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    cases: dict[str, Any] = {}
    for name, stain, folder in given.case:
        cases[name] = [measure(stain, folder, eps, given.variants, given.rounds) for eps in given.eps]
        print(name, json.dumps(cases[name], indent=1), flush=True)
    facts = {
        "command": "python -m benchmarks.int8_job " + shlex.join(sys.argv[1:]),
        "machine": machine_facts(),
        "versions": versions(["openvino"]),
        "variants": given.variants,
    }
    write_whole(given.out, json.dumps({**facts, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
