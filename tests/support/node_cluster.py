"""A Ray cluster whose nodes have an engine store each, in a process of its own: others may use Ray with tokens.

``python -m tests.support.node_cluster HOME [HOME=PYTHONPATH] ...`` starts a head and one node of one CPU for each home,
prints the address, and ends when its standard input does. A PYTHONPATH gives a node packages that the others do not
have. Each line of its standard input adds a node (``+HOME``, ``+HOME=PYTHONPATH``) or kills one (``-HOME``), and is
answered.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHOUT_TOKENS = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
_STORE_BYTES = 80_000_000


def main(homes: list[str]) -> None:
    """Run the cluster."""
    from ray.cluster_utils import Cluster  # after the settings, which it reads when it is imported

    head = {"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = dict(_add(cluster, home) for home in homes)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        name = line[1:].strip()
        if line.startswith("+"):
            nodes |= [_add(cluster, name)]
        else:
            cluster.remove_node(nodes.pop(name), allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()  # type: ignore[no-untyped-call]


def _add(cluster: Any, home: str) -> tuple[str, Any]:
    folder, _, path = home.partition("=")
    settings = {"AUGENGINE_HOME": folder} | ({"PYTHONPATH": path} if path else {})
    return folder, cluster.add_node(wait=False, num_cpus=1, object_store_memory=_STORE_BYTES, env_vars=settings)


class NodeCluster:
    """A cluster in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._answer()

    def add(self, home: str) -> None:
        """Another node joins."""
        self._tell(f"+{home}")

    def kill(self, home: str) -> None:
        """A node dies."""
        self._tell(f"-{home}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        assert answer, "the cluster did not start, or it ended"
        return answer


@contextmanager
def node_cluster(*homes: str) -> Iterator[NodeCluster]:
    """A cluster with a node for each home."""
    command = [sys.executable, "-m", "tests.support.node_cluster", *homes]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=os.environ | WITHOUT_TOKENS, **pipes) as process:  # type: ignore[call-overload]
        yield NodeCluster(process)
        process.stdin.close()
        process.wait(timeout=60)


def with_version(folder: Path, package: str, version: str) -> Path:
    """What a package's version is read from, as another installation has it."""
    data = folder / f"{package}-{version}.dist-info"
    data.mkdir(parents=True)
    (data / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
