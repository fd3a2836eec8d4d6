"""A torch module's pass over one static batch, recorded once as a CUDA graph and replayed from then on.

Some hundred kernels are then launched by one call. torch is handed in: another file owns it. Not yet run on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Pass = Callable[[], Any]
"""Reads its input at a fixed address and returns the output, which the next call may overwrite."""

RECORDED = "CUDA graph"
_WARM_UPS = 3
"""Passes before the recording, in which cuDNN and the allocator settle; torch's documentation asks for them."""


def choose_pass(eager: Pass, record: Callable[[Pass], Pass], equal: Callable[[Any, Any], bool]) -> tuple[Pass, str]:
    """The recorded pass where it gives the bits of the eager one, so that bits do not tell which of them ran.

    Args:
        eager: The pass as torch runs it, kernel by kernel.
        record: Makes the recorded one of it.
        equal: Whether two outputs are equal bit for bit.

    Returns:
        The pass, and how it runs: ``CUDA graph``, or ``eager`` with the reason.

    Raises:
        RuntimeError: The eager pass itself fails.
    """
    expected = eager()
    try:
        recorded = record(eager)
        same = equal(recorded(), expected)
    except RuntimeError as error:
        return eager, f"eager: it cannot be recorded: {error}"
    return (recorded, RECORDED) if same else (eager, "eager: recorded, it gives other bits")


def record_pass(torch: Any, eager: Pass) -> Pass:
    """Record a pass on the current device.

    Raises:
        RuntimeError: Something in it cannot be recorded, or there is no room.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            eager()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Other threads of a worker may allocate meanwhile, which the default mode forbids.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        y = eager()
    return _Replay(graph, y, eager)


class _Replay:
    """A recorded pass. It keeps the eager one, whose weights and input the graph reads by their addresses."""

    def __init__(self, graph: Any, y: Any, eager: Pass) -> None:
        self._graph, self._y, self._eager = graph, y, eager

    def __call__(self) -> Any:
        self._graph.replay()
        return self._y
