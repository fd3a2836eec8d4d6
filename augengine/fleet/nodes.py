"""The nodes of a cluster: what they have, how many workers fit on them, and whether all give the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from augengine.errors import SpecError, WorkerError
from augengine.fleet.base import Outfit

_SHOWN_NODES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that can run workers.

    Attributes:
        id: Ray's name of it.
        host: Its name and address, for messages.
        cpus, gpus: How many whole ones Ray may hand out.
    """

    id: str
    host: str
    cpus: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Files by which a node shows that it sees what the driver sees.

    Attributes:
        folder: Folder in the target that holds the driver's file and the nodes' answers. It is empty where the target
            is a URL, which means the same everywhere.
        word: What the driver wrote: a random word, so that no other run's file passes for it.
        inputs: Local paths of the input, and the size of each in bytes; -1 for a folder.
    """

    folder: str
    word: str
    inputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a node says of itself.

    Attributes:
        machine: Everything about it that decides bytes, in words.
        trouble: What it cannot reach; empty if all is well.
    """

    machine: str
    trouble: str


def crew(nodes: Sequence[Node], workers: int | None, *, on_gpu: bool, per_gpu: int = 1) -> tuple[int, int]:
    """How many workers there are, and the CPU threads of each: as many as let all workers fit on the nodes.

    Args:
        nodes: The cluster's nodes.
        workers: How many are asked for; None for one per GPU, or on CPUs one per node.
        on_gpu: Whether each needs a GPU, or a share of one.
        per_gpu: How many workers share a GPU.

    Raises:
        WorkerError: They do not fit.
    """
    places, cpus = per_gpu * sum(node.gpus for node in nodes), sum(node.cpus for node in nodes)
    wanted = workers or (places if on_gpu else sum(node.cpus > 0 for node in nodes))
    if not wanted:
        what = "GPUs" if on_gpu else "CPUs"
        raise WorkerError(f"no node of the cluster has {what}", hint="start its nodes with some: ray start --num-cpus")
    if on_gpu and places < wanted:
        what = f"the cluster's GPUs have room for {places} workers, {per_gpu} each, and {wanted} are asked for"
        raise WorkerError(what, hint="fewer --workers, or more --workers-per-gpu")
    if cpus < wanted:
        raise WorkerError(f"the cluster has {cpus} CPUs, {wanted} workers need one each", hint="fewer --workers")
    # Sums over the cluster do not tell whether they fit: a worker's threads and its GPU lie on one node.
    for threads in range(max(node.cpus for node in nodes), 0, -1):
        if sum(_room(node, threads, per_gpu if on_gpu else 0) for node in nodes) >= wanted:
            return wanted, threads
    raise WorkerError(f"{wanted} workers with a GPU and a CPU each do not fit on the nodes", hint="fewer --workers")


def _room(node: Node, threads: int, per_gpu: int) -> int:
    return min(node.cpus // threads, node.gpus * per_gpu) if per_gpu else node.cpus // threads


def write_probe(target: str, inputs: Sequence[str]) -> Probe:
    """Leave a file in the target for the nodes to find.

    Raises:
        WorkerError: It cannot be written.
    """
    probe = Probe(
        # In the spool: if this driver is killed, the next run removes the file with everything else there.
        folder="" if "://" in target else str(Path(target) / ".augengine" / "spool"),
        word=uuid.uuid4().hex,
        inputs={path: _size(path) for path in inputs if "://" not in path and Path(path).exists()},
    )
    if not probe.folder:
        return probe
    try:
        _asked(probe).parent.mkdir(parents=True, exist_ok=True)
        _asked(probe).write_text(probe.word, encoding="utf-8")
    except OSError as error:
        raise WorkerError(f"cannot write {_asked(probe)}: {error.strerror}", hint="choose another --out") from error
    return probe


def look(node_id: str, probe: Probe, outfit: Outfit | None) -> Seen:
    """What this node is and sees; runs on it."""
    trouble = (_answer(node_id, probe) if probe.folder else "") or _missing(probe)
    return Seen(machine=outfit.machine() if outfit else "", trouble=trouble)


def _answer(node_id: str, probe: Probe) -> str:
    try:
        if _asked(probe).read_text(encoding="utf-8") != probe.word:
            return f"the output {probe.folder} is another folder there"
        # Reading is not enough: a worker writes its shards there, and the driver must see them.
        _answered(probe, node_id).write_text(node_id, encoding="utf-8")
    except OSError as error:
        return f"the output's {error.filename or probe.folder}: {error.strerror}"
    return ""


def _missing(probe: Probe) -> str:
    # The size too: a node may have another file under the same path.
    wrong = [path for path, size in probe.inputs.items() if not Path(path).exists() or _size(path) != size]
    return f"the input {wrong[0]} is missing or another there" if wrong else ""


def check_nodes(nodes: Sequence[Node], seen: Sequence[Seen], probe: Probe, outfit: Outfit | None) -> None:
    """Refuse nodes that cannot reach input or output, or that would make other bytes.

    Raises:
        WorkerError: A node cannot read what the driver wrote, or the driver what it wrote.
        SpecError: Machines of several classes.
    """
    for node, each in zip(nodes, seen, strict=True):
        if trouble := each.trouble or not_arrived(node.id, probe):
            hint = "every node needs input and output under the same paths: a shared file system, or s3://"
            raise WorkerError(f"node {node.host}: {trouble}", hint=hint)
    if outfit is not None:
        _check_classes(nodes, seen, outfit.machine())


def not_arrived(node_id: str, probe: Probe) -> str:
    """What is wrong if a node's answer is not seen here; empty if it is."""
    if not probe.folder or _answered(probe, node_id).is_file():
        return ""
    return f"what it writes into {probe.folder} does not arrive here"


def _check_classes(nodes: Sequence[Node], seen: Sequence[Seen], here: str) -> None:
    # The driver counts as well: it begins the plan, which names the engines of its own class.
    classes = {here: ["this machine"]}
    for node, each in zip(nodes, seen, strict=True):
        classes.setdefault(each.machine, []).append(node.host)
    if len(classes) > 1:
        named = "; ".join(f"{_some(hosts)}: {machine}" for machine, hosts in sorted(classes.items()))
        hint = "nodes of one kind and versions give equal bytes: run one dataset per kind of machine"
        raise SpecError(f"the machines are of {len(classes)} classes, whose bytes differ ({named})", hint=hint)


def _some(hosts: Sequence[str]) -> str:
    more = len(hosts) - _SHOWN_NODES
    return ", ".join(hosts[:_SHOWN_NODES]) + (f" and {more} more" if more > 0 else "")


def remove_probe(probe: Probe) -> None:
    """Take the files away again."""
    if probe.folder:
        # A file left in the spool does no harm, and an error here would hide the one that ends the run.
        with suppress(OSError):
            for file in [_asked(probe), *Path(probe.folder).glob(f"{_asked(probe).name}-*")]:
                file.unlink(missing_ok=True)


def _asked(probe: Probe) -> Path:
    return Path(probe.folder) / f"probe-{probe.word}"


def _answered(probe: Probe, node_id: str) -> Path:
    return Path(probe.folder) / f"probe-{probe.word}-{node_id}"


def _size(path: str) -> int:
    file = Path(path)
    # What a folder's own size is depends on the file system.
    return -1 if file.is_dir() else file.stat().st_size
