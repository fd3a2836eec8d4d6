"""The pair of engines that a chain runs, as a plan records it."""

from __future__ import annotations

from dataclasses import dataclass

from augengine.chain.base import ChainName
from augengine.spec import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginesSpec:
    """The pair of engines of a dataset, as its plan records it.

    Attributes:
        to_reference, from_reference: Engine ids in the store.
        weights: Digests of the two generators' ONNX files, in the same order.
        backend: Name of the backend.
        precision: Precision of the arithmetic inside the engines.
        height, width: Static size in pixels.
        mpp: um/px the generators were trained at.
        why: Why this precision, in a sentence.
        chain: Which chain runs them; two chains may differ by a grey level.
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
