"""How many samples a good source becomes, by the plan, and whether a report's counts fit that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from augengine.jobs import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Becomes:
    """What becomes of one good source sample.

    Attributes:
        variants: How many variants are made of it; 0 of a tile.
        source: Whether it is written itself.
        some_pass: Whether samples of some classes pass through, as themselves alone.
    """

    variants: int
    source: bool
    some_pass: bool

    @classmethod
    def of(cls, kind: str | None, spec: Mapping[str, Any]) -> Self:
        """Read it from the kind of a plan and its spec."""
        if kind == "tile":
            return cls(variants=0, source=True, some_pass=False)
        return cls(
            variants=int(spec["variants"]), source=bool(spec["include_source"]), some_pass=bool(spec["skip_classes"])
        )

    def emptied(self, report: Report) -> int:
        """Source samples of which nothing is written, because all their variants were left out."""
        lost = Counter(key.rpartition("-v")[0] for key in report.left_out)
        return 0 if self.source else sum(count >= self.variants for count in lost.values())

    def expected(self, report: Report) -> int:
        """How many samples the good sources of a report make; at least, where some pass through."""
        good = report.samples_in - len(report.failures)
        if self.some_pass:
            return good - self.emptied(report)
        return good * (self.variants + self.source) - len(report.left_out)

    def fits(self, report: Report) -> bool:
        """Whether the counts of a report can be true."""
        if len(report.failures) > report.samples_in:
            return False
        expected = self.expected(report)
        return report.samples_out >= expected if self.some_pass else report.samples_out == expected
