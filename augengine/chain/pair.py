"""What a chain runs, as a plan records it: a pair of engines, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from augengine.chain.base import ChainName
from augengine.engines.int8_form import Int8Form
from augengine.json_values import to_json
from augengine.spec import Precision

Int8Forms = tuple[Int8Form | None, Int8Form | None]
"""The int8 forms of the generator to the reference and of the one back; None for one without any int8."""

NO_INT8: Int8Forms = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginesSpec:
    """The pair of engines of a dataset, as its plan records it; see `no_engines` for a dataset that has none.

    Attributes:
        to_reference, from_reference: Engine ids in the store; empty where there are none.
        weights: Digests of the two generators' ONNX files, in the same order.
        backend: Name of the backend.
        precision: Precision of the arithmetic inside the engines; empty where there are none.
        height, width: Static size in pixels; without engines the largest sides of the images.
        mpp: um/px the generators were trained at; 0 where there are none, and then any um/px will do.
        why: Why this precision, in a sentence.
        chain: Which chain runs them; two chains may differ by a grey level.
        int8: For the precision int8: which convolutions of each generator run in it, and their ranges.
    """

    to_reference: str
    from_reference: str
    weights: tuple[str, str]
    backend: str
    precision: Precision | Literal[""]
    height: int
    width: int
    mpp: float
    why: str
    chain: ChainName = "dali"
    int8: Int8Forms = NO_INT8

    def to_json(self) -> dict[str, Any]:
        """Return plain json values; a plan says nothing of int8 where there is none."""
        said: dict[str, Any] = to_json(self)
        return said if any(self.int8) else {name: value for name, value in said.items() if name != "int8"}

    @property
    def runs_pair(self) -> bool:
        """Whether there are engines."""
        return bool(self.to_reference)

    @property
    def in_words(self) -> str:
        """Say what made the variants: the precision of the engines, or that no generator ran."""
        return self.precision or "markers shuffled, without generators"


def no_engines(height: int, width: int, *, made_by: str, why: str) -> EnginesSpec:
    """Record, in the place of engines, that the pixels are made without any.

    Args:
        height, width: The largest sides of the images, in pixels.
        made_by: The arithmetic that decides the bytes, with its version.
        why: Why there are none, in a sentence.
    """
    return EnginesSpec(
        to_reference="",
        from_reference="",
        weights=("", ""),
        backend=made_by,
        precision="",
        height=height,
        width=width,
        mpp=0.0,
        why=why,
        chain="plain",
    )
