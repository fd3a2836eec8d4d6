"""A Ray cluster of several nodes on this machine, whose nodes and workers can be killed."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, Self

_STORE_BYTES = 80_000_000


class SmallCluster:
    """Nodes of one CPU each. The head has none: a driver is connected to it, so it must live.

    Args:
        nodes: How many beside the head.
    """

    def __init__(self, nodes: int) -> None:
        os.environ["RAY_AUTH_MODE"] = "disabled"  # inherited by the drivers
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster  # after the settings, which it reads when it is imported

        arguments = {"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=arguments)
        self._nodes = [self._add() for _ in range(nodes)]

    @property
    def address(self) -> str:
        """HOST:PORT for ``--ray``."""
        return str(self._cluster.address)

    def workers(self) -> list[int]:
        """The process ids of the actors on its nodes."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self._nodes}
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                is_actor = (folder / "cmdline").read_bytes().startswith(b"ray::Actor")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # gone meanwhile
            if is_actor and parent in raylets:
                found.append(int(folder.name))
        return sorted(found)

    def replace_node(self, draw: random.Random) -> None:
        """Kill a node with all that runs on it, then add another."""
        node = self._nodes.pop(draw.randrange(len(self._nodes)))
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._add())

    def _add(self) -> Any:
        return self._cluster.add_node(wait=False, num_cpus=1, object_store_memory=_STORE_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()
