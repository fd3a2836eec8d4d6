"""``python -m benchmarks.host_cost``: CPU time around the generators, by thread, in a worker whose generators are free.

What holds Python's lock bounds how many sources a process can feed to a GPU. A chain that costs nothing decodes, pads
and draws sigmas as the real one does, and hands out ready variants. CPU time of threads is measured, so that a busy
machine tells about the same. Work that lets the lock go (codecs, digests, files) is measured by itself; the rest of the
threads' time counts as held, which is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np

from augengine.chain.base import ChainSpec, Outcome, Request, Translators
from augengine.chain.batches import Batch, Preparation, Turnstile
from augengine.dataset import AugmentRequest
from augengine.dataset import worker as worker_module
from augengine.pictures import encode, images
from augengine.shards import write
from augengine.storage.atomic import write_whole
from benchmarks.machine import machine_facts
from benchmarks.speed.material import NOISE, STAIN, Material, Size
from benchmarks.speed.ours import finish, start

RESULT = Path("benchmarks/results/host_cost.json")
_FREE = ("imdecode", "imencode", "cvtColor", "sumElems", "norm", "split")
"""What OpenCV does without the lock."""


class Clock:
    """CPU seconds of calls, over all threads."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, whose CPU time is added under a name."""

        def run(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                self.add(name, time.thread_time() - began)

        return run

    def add(self, name: str, seconds: float) -> None:
        """Add seconds under a name."""
        with self._lock:
            self.spent[name] += seconds


class FreeChain:
    """Decodes and pads; its variants are the source with a few low bits changed."""

    depth = 2

    def __init__(self, side: int, variants: int, clock: Clock) -> None:
        self.batch = 8 if side <= 256 else 4
        size = cast(Translators, SimpleNamespace(height=side, width=side))
        self._prepare = Preparation(size, ChainSpec(noise=NOISE, variants=variants, batch=self.batch, threads=2))
        self._turn: Turnstile[Batch] = Turnstile(self.batch, self.depth)
        random = np.random.default_rng(0)
        self._bits = [random.integers(0, 8, (side, side, 3), dtype=np.uint8) for _ in range(variants)]
        self._clock = clock

    def put(self, requests: Sequence[Request]) -> None:
        """Implement `augengine.chain.base.Chain`."""
        self._turn.check(requests)
        batch = self._prepare(requests)
        batch.frames_nhwc(), batch.key_words(), batch.sigmas()
        self._turn.enter(batch)

    def get(self) -> list[Outcome]:
        """Implement `augengine.chain.base.Chain`."""
        batch, began = self._turn.leave(), time.thread_time()
        made = [np.stack([item.frame_hwc ^ bits for bits in self._bits]) for item in batch.items]
        self._clock.add("variants", time.thread_time() - began)
        return batch.outcomes(made, [True] * len(made))

    def close(self) -> None:
        """Implement `augengine.chain.base.Chain`."""


def measure(side: int, variants: int, image_format: str, sources: int, folder: Path) -> dict[str, Any]:
    """CPU milliseconds a source: all, by thread, without the lock, and what is left."""
    clock = Clock()
    _watch(clock)
    cast(Any, worker_module).load_chain = lambda _: FreeChain(side, variants, clock)
    material = Material(size=Size(side=side, width=4, blocks=0, images=16), folder=folder, threads=2)
    request = AugmentRequest(
        source=str(material.source),
        out=folder / f"out-{image_format}",
        stain=STAIN,
        eps=NOISE.eps,
        mpp=0.5,
        variants=variants,
        image_format=cast(Any, image_format),
        weights=material.weights,
        precision="float32",
        workers=1,
        samples_per_shard=16,
    )
    worker, jobs, _ = start(request, 2)
    finish(worker, jobs, publishes=False)
    clock.spent.clear()
    before, calls = _by_thread(), max(1, sources // 16)
    finish(worker, jobs * calls, publishes=True)
    names = {str(thread.native_id): thread.name for thread in threading.enumerate()}
    threads: defaultdict[str, float] = defaultdict(float)
    for task, seconds in _by_thread().items():
        threads[names.get(task, "others").rstrip("0123456789_-")] += seconds - before.get(task, 0.0)
    worker.close()
    a_source = 1000 / (calls * 16)
    ours = {name: round(seconds * a_source, 3) for name, seconds in sorted(threads.items()) if seconds > 0}
    free = {name: round(seconds * a_source, 3) for name, seconds in clock.spent.items()}
    own = sum(ms for name, ms in ours.items() if name not in ("others", "MainThread"))
    return {
        "side": side,
        "variants": variants,
        "format": image_format,
        "threads_ms": ours,
        "without_the_lock_ms": free,
        "with_the_lock_ms": round(own - sum(free.values()), 3),
    }


def _watch(clock: Clock) -> None:
    for name in _FREE:
        for module in (images, encode):
            if hasattr(module, "cv2"):
                setattr(module.cv2, name, clock.timed(name, getattr(cv2, name)))
    for kind, name in ((write._HashingFile, "write"), (images.Decoder, "decode")):
        setattr(kind, name, clock.timed(f"{kind.__name__}.{name}", getattr(kind, name)))


def _by_thread() -> dict[str, float]:
    """Task -> its CPU seconds."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            text = (task / "schedstat").read_text().split()
            found[task.name] = int(text[0]) / 1e9
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 508])
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--sources", type=int, default=320)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for side in given.sides:
        for image_format in ("png", "jpg"):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["AUGENGINE_HOME"] = folder
                rows.append(measure(side, given.variants, image_format, given.sources, Path(folder)))
                print(json.dumps(rows[-1]), flush=True)
    command = "python -m benchmarks.host_cost " + " ".join(sys.argv[1:])
    result = {"command": command, "machine": machine_facts(), "rows": rows}
    write_whole(given.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
