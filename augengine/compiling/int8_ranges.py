"""The ranges of a pair's int8 forms, measured once on each source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from augengine.chain.pair import Int8Forms
from augengine.compiling.int8_ranging import Ranging
from augengine.compiling.pairs import OnNote
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.base import Engine
from augengine.engines.fidelity import run_on_host
from augengine.engines.int8_form import Int8Form
from augengine.engines.store import EngineStore
from augengine.json_values import from_json

_FOLDER = "int8-ranges"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What a pair's residual blocks take on a source.

    Attributes:
        to_reference, from_reference: Every residual block of the generator.
    """

    to_reference: Int8Form
    from_reference: Int8Form

    @property
    def blocks(self) -> tuple[tuple[int, str], ...]:
        """All blocks: 0 for the generator to the reference or 1 for the one back, and the block's name."""
        forms = (self.to_reference, self.from_reference)
        return tuple((index, block) for index, form in enumerate(forms) for block in form.blocks)

    def only(self, blocks: frozenset[tuple[int, str]]) -> Int8Forms:
        """The forms with some of the blocks."""
        there, back = (frozenset(block for index, block in blocks if index == number) for number in (0, 1))
        return self.to_reference.of_blocks(there), self.from_reference.of_blocks(back)


def find_ranges(
    ranging: Ranging,
    store: EngineStore,
    to_reference: Callable[[], Engine],
    *,
    measure_again: bool,
    note: OnNote | None,
) -> Ranges | None:
    """What was measured before on this source, or what is measured now; None if it may not be.

    Args:
        ranging: Where; its generators have residual blocks.
        store: Keeps the ranges.
        to_reference: Gives the float32 engine.
        measure_again: Do not look at what was measured before.
        note: Told what takes a while; None forbids measuring.

    Raises:
        SourceError: No tile can be read.
        EngineError: OpenVINO fails.
    """
    known = None if measure_again else store.read_record(partial(from_json, Ranges), _FOLDER, ranging.name)
    if known is not None or note is None:
        return known
    note("measuring the ranges of int8")
    b_nchw = ranging.marked()
    weights, others = ranging.weights, ranging.others
    there = measure_form(weights.to_reference, b_nchw, others)
    back = measure_form(weights.from_reference, run_on_host(to_reference(), b_nchw), others)
    found = Ranges(to_reference=there, from_reference=back)
    store.keep_record(_FOLDER, ranging.name, found)
    return found
