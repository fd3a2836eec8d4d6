"""A Ray cluster whose nodes have an engine store each, in a process of its own: others may use Ray with tokens.

``python -m tests.node_cluster HOME [HOME=PYTHONPATH] ...`` starts a head and one node of one CPU for each home, prints
the address, and ends when its standard input does. A PYTHONPATH gives a node packages that the others do not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WITHOUT_TOKENS = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
_STORE_BYTES = 80_000_000


def main(homes: list[str]) -> None:
    """Run the cluster."""
    from ray.cluster_utils import Cluster  # after the settings, which it reads when it is imported

    head = {"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for home in homes:
        folder, _, path = home.partition("=")
        settings = {"AUGENGINE_HOME": folder} | ({"PYTHONPATH": path} if path else {})
        cluster.add_node(wait=False, num_cpus=1, object_store_memory=_STORE_BYTES, env_vars=settings)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def node_cluster(*homes: str) -> Iterator[str]:
    """The address of a cluster with a node for each home."""
    command = [sys.executable, "-m", "tests.node_cluster", *homes]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=os.environ | WITHOUT_TOKENS, **pipes) as process:  # type: ignore[call-overload]
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        yield address
        process.stdin.close()
        process.wait(timeout=60)


if __name__ == "__main__":
    main(sys.argv[1:])
