"""Nodes of a joined cluster say what they are and see before a worker starts there, and are sent what they lack."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augengine.errors import WorkerError
from augengine.fleet.base import Outfit, WorkerSpec
from augengine.fleet.cluster import find_nodes, first_line, import_ray
from augengine.fleet.nodes import Node, Probe, Seen, check_nodes, look, not_arrived, remove_probe, write_probe

_ANSWER_SECONDS = 120.0
_DEATH_SECONDS = 30.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Fetch:
    """Brings a file's bytes through Ray's object store; nothing is sent before it is called.

    Attributes:
        references: Digest -> Ray's reference of the bytes.
    """

    references: Mapping[str, Any]

    def __call__(self, digest: str) -> bytes:
        """The bytes with this digest."""
        data: bytes = import_ray().get(self.references[digest])
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What a worker does on its node before it starts. It is sent there.

    Attributes:
        outfit: What the node must have.
        fetch: Brings files that it lacks.
        probe: What it must see.
        machine: What of the driver's machine decides bytes.
        asked: Ids of the nodes that were asked before the first job; others joined later.
    """

    outfit: Outfit | None
    fetch: Fetch
    probe: Probe
    machine: str
    asked: frozenset[str]

    def look(self) -> tuple[str, str]:
        """The id of this node, and why no worker may start on it; empty if one may. Runs on it."""
        node_id = import_ray().get_runtime_context().get_node_id()
        return node_id, "" if node_id in self.asked else self._trouble(look(node_id, self.probe, self.outfit))

    def fit(self, worker: Any) -> Any:
        """The worker's spec as it holds on this node. Runs on it."""
        return self.outfit.fit(worker, self.fetch) if self.outfit else worker

    def not_arrived(self, node_id: str) -> str:
        """What is wrong if what a node wrote is not seen by the driver; empty if it is."""
        return "" if node_id in self.asked else not_arrived(node_id, self.probe)

    def _trouble(self, seen: Seen) -> str:
        if seen.trouble or self.outfit is None or seen.machine == self.machine:
            return seen.trouble
        return f"its bytes would differ, it is {seen.machine}; the run's are of {self.machine}"


@contextmanager
def fitting(ray: Any, worker: WorkerSpec, sources: Sequence[str], outfit: Outfit | None) -> Iterator[Fitting]:
    """Ask every node of a joined cluster, before the first job, what it is and what it sees.

    Args:
        ray: Connected to it.
        worker: What will run there.
        sources: What the jobs read.
        outfit: What each node must have.

    Raises:
        WorkerError: A node does not answer, or cannot reach input or output.
        SpecError: The nodes' classes differ, and may not.
    """
    probe = write_probe(worker.target, [*sources, *(outfit.reads if outfit else ())])
    try:
        nodes = _ask_all(ray, worker, probe, outfit)
        yield Fitting(
            outfit=outfit,
            fetch=_offer(ray, outfit.files if outfit else {}),
            probe=probe,
            machine=outfit.machine() if outfit else "",
            asked=frozenset(node.id for node in nodes),
        )
    finally:
        remove_probe(probe)


def _ask_all(ray: Any, worker: WorkerSpec, probe: Probe, outfit: Outfit | None) -> list[Node]:
    on_gpu = worker.device_id is not None
    nodes = [node for node in find_nodes(ray) if node.gpus or not on_gpu]
    asked = [_ask(ray, node, on_gpu).remote(node.id, probe, outfit) for node in nodes]
    # All were asked before any answer is awaited: a cluster takes as long as its slowest node, not their sum.
    late = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_SECONDS)[1]
    if late:
        silent = ", ".join(node.host for node, each in zip(nodes, asked, strict=True) if each in late)
        raise WorkerError(f"no answer within {_ANSWER_SECONDS:.0f} s from {silent}", hint="is the node busy?")
    answers = [(node, _answer(ray, node, each)) for node, each in zip(nodes, asked, strict=True)]
    there = [(node, seen) for node, seen in answers if seen is not None]
    if not there:
        raise WorkerError("every node of the cluster died while it was asked", hint="is the cluster being stopped?")
    check_nodes([node for node, _ in there], [seen for _, seen in there], probe, outfit)
    return [node for node, _ in there]


def _ask(ray: Any, node: Node, on_gpu: bool) -> Any:
    there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
    # No CPU is asked for, so that a busy node can answer. Without a share of a GPU Ray would hide them all.
    return ray.remote(look).options(num_cpus=0, num_gpus=0.001 if on_gpu else 0, scheduling_strategy=there)


def _answer(ray: Any, node: Node, asked: Any) -> Seen | None:
    """What a node says; None if it has died, which a cluster notices after a while."""
    try:
        seen: Seen = ray.get(asked)
        return seen
    except ray.exceptions.RayError as error:
        # An error of the task itself comes from a node that lives: it is reported at once, and not waited for.
        if not isinstance(error, ray.exceptions.RayTaskError) and _dies(ray, node):
            return None
        hint = "is the same version of augengine installed there, with all that it needs?"
        raise WorkerError(f"node {node.host} cannot work: {first_line(error)}", hint=hint) from error


def _dies(ray: Any, node: Node) -> bool:
    """Whether a node is gone. A cluster needs a while to notice, so it is asked for up to `_DEATH_SECONDS`."""
    until = time.monotonic() + _DEATH_SECONDS
    while (alive := node.id in {each.id for each in find_nodes(ray)}) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    return not alive


def _offer(ray: Any, files: Mapping[str, str]) -> Fetch:
    """Put files where every node can fetch them: weights, a few MB each; images never pass here.

    Raises:
        WorkerError: One cannot be read.
    """
    try:
        return Fetch({digest: ray.put(Path(file).read_bytes()) for digest, file in files.items()})
    except OSError as error:
        raise WorkerError(
            f"cannot read {error.filename}: {error.strerror}", hint="are the weights still there?"
        ) from error
