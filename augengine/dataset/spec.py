"""All that a worker needs, as one value that can be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augengine.chain.pair import EnginesSpec
from augengine.shards.fence import Fence
from augengine.spec import AugmentSpec
from augengine.storage import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """What a worker does with every job.

    Attributes:
        target: The dataset's folder.
        spec: What to augment and how.
        source: The source, as its json.
        engines: The engines to run.
        store: Folder of the engine store; empty without engines.
        threads: CPU threads for everything this worker does.
        device_id: GPU, or None on a CPU.
        workers_per_gpu: How many workers share a GPU.
        access: What reaches its store, on any machine.
        fence: Looked at before a shard is published.
    """

    target: str
    spec: AugmentSpec
    source: Mapping[str, Any]
    engines: EnginesSpec
    store: str
    threads: int = 1
    device_id: int | None = None
    workers_per_gpu: int = 1
    access: Access = field(default_factory=Access)
    fence: Fence = field(default_factory=Fence)
