"""All that a worker needs, as one value that can be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from augengine.chain import ChainName
from augengine.plan import Fence
from augengine.spec import AugmentSpec, Precision
from augengine.storage import Access

MPP_TOLERANCE = 0.2
"""How far a source's um/px may be off the generators' own, as a share of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginesSpec:
    """The pair of engines of a dataset, as its plan records it.

    Attributes:
        to_reference, from_reference: Engine ids in the store.
        weights: Digests of the two generators' ONNX files, in the same order.
        backend: Name of the backend.
        precision: Of the arithmetic inside.
        height, width: Static size in pixels.
        mpp: um/px the generators were trained at.
        why: Why this precision, in a sentence.
        chain: Which chain runs them; two chains may differ by a grey level.
        mixed: Other classes of machine may take part, each with its own engines, which its samples name.
    """

    to_reference: str
    from_reference: str
    weights: tuple[str, str]
    backend: str
    precision: Precision
    height: int
    width: int
    mpp: float
    why: str
    chain: ChainName = "dali"
    mixed: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain json values; ``mixed`` only where it is so, as plans had no such field once."""
        fields = asdict(self) | {"weights": list(self.weights)}
        return fields if self.mixed else {name: value for name, value in fields.items() if name != "mixed"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{**data, "weights": tuple(data["weights"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """What a worker does with every job.

    Attributes:
        target: The dataset's folder.
        spec: What to augment and how.
        source: The source, as its json.
        engines: The engines to run.
        store: Folder of the engine store.
        threads: CPU threads for everything this worker does.
        device_id: GPU, or None on a CPU.
        access: What reaches its store, on any machine.
        fence: Looked at before a shard is published.
        max_side: Largest side of an image that is decoded, in pixels.
    """

    target: str
    spec: AugmentSpec
    source: Mapping[str, Any]
    engines: EnginesSpec
    store: str
    threads: int = 1
    device_id: int | None = None
    access: Access = field(default_factory=Access)
    fence: Fence = field(default_factory=Fence)
    max_side: int = 1024


def mpp_fits(mpp: float, own: float) -> bool:
    """Whether a source of ``mpp`` um/px suits generators trained at ``own`` um/px."""
    return abs(mpp / own - 1) <= MPP_TOLERANCE
