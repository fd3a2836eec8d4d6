"""Many small requests, whose answers take their time: several are under way, and their results come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

REQUESTS_AT_A_TIME = 16
"""Most requests to a store that one process has under way at once."""

T = TypeVar("T")


def in_order(tasks: Iterable[Callable[[], T]], *, ahead: int) -> Iterator[T]:
    """The results of tasks, in their order; as each is used, no more than ``ahead`` of the next run or wait."""
    if ahead == 0:
        yield from (task() for task in tasks)
        return
    with ThreadPoolExecutor(ahead, thread_name_prefix="read") as pool:
        running: deque[Future[T]] = deque()
        try:
            for task in tasks:
                running.append(pool.submit(task))
                if len(running) > ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
