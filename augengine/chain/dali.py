"""The chain as one DALI graph, the same on a CPU and a GPU: normalise, G_BA, keyed noise, G_AB, quantise.

DALI's own thread runs the graph while the caller decodes the next batch and encodes the last: `put` and `get` are
two ends of a pipeline. Keys and sigmas travel through the graph beside their images, so nothing can get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, pipeline_def, types
from nvidia.dali.python_function_plugin import ArrayToDLTensor, DLTensorToArray

from augengine.chain.base import ChainSpec, Outcome, Request, Translators
from augengine.chain.batches import Batch, Preparation, Turnstile
from augengine.chain.translate import Translation
from augengine.draws.noise import GaussianNoise
from augengine.errors import AugengineError, ChainError

Capsules = list[Any]
"""One DLPack capsule per sample, as DALI hands a batch to a function and takes it back."""

Function = Callable[[Capsules, Capsules, Capsules], tuple[Capsules, Capsules]]

DEPTH = 2
"""Batches under way: the engines work on one while the caller decodes the next."""


class DaliChain:
    """Implement `augengine.chain.base.Chain`. One thread puts and gets.

    Args:
        translators: Two engines of one size; where they live decides where the graph runs.
        spec: Noise, K, batch and threads.
        device_id: The GPU's ordinal; None for the first. Ignored on a CPU.

    Raises:
        BackendUnavailable: The engines are on a GPU, and DALI or CuPy cannot use it.
    """

    depth = DEPTH

    def __init__(self, translators: Translators, spec: ChainSpec, *, device_id: int | None = None) -> None:
        self.batch = spec.batch
        self._spec, self._translators = spec, translators
        self._prepare = Preparation(translators, spec)
        self._turnstile: Turnstile[Batch] = Turnstile(spec.batch, self.depth)
        self._call = _GraphCall(translators, spec, device_id or 0)
        self._pipeline: Any = _build(translators, spec, device_id or 0, self._call)
        with self._own_errors():
            self._prime()

    def put(self, requests: Sequence[Request]) -> None:
        """Decode a batch of 1 ... ``batch`` requests and start the graph on it; returns at once."""
        self._turnstile.check(requests)
        batch = self._prepare(requests)
        # A batch without a good image skips the graph, but enters the turnstile, so that `get` keeps the order.
        if batch.items:
            with self._own_errors():
                self._feed(batch.frames_nhwc(), batch.key_words(), batch.sigmas())
                self._pipeline.schedule_run()
        self._turnstile.enter(batch)

    def get(self) -> list[Outcome]:
        """Wait for the oldest batch and return one outcome a request."""
        batch = self._turnstile.leave()
        if not batch.items:
            return batch.outcomes([], [])
        with self._own_errors():
            images, finite = self._pipeline.share_outputs()
            outcomes = self._read(batch, images, finite)
            # Only now: the outcomes were copied out of buffers that DALI fills again from here on.
            self._pipeline.release_outputs()
        return outcomes

    def close(self) -> None:
        """Drop what is under way and free DALI's threads and buffers; the engines belong to the caller."""
        self._turnstile.shut("it was closed")
        # Batches under way may still run while the pipeline ends: idle, they leave the engines alone.
        self._call.idle = True
        self._pipeline = None
        self._call.close()

    def _prime(self) -> None:
        """Run the graph ``depth`` times: on a CPU without its engines, on a GPU with them (not yet run on a GPU).

        DALI's first `schedule_run` starts as many runs as the pipeline is deep, and each needs its input. Priming
        spends that call, lets buffers grow to their size, and shows a graph that cannot run before there is work. On a
        GPU CuPy compiles its kernels at their first use, which takes seconds; so that use is here.
        """
        self._call.idle = self._translators.device == "cpu"
        blank = np.zeros((self._translators.height, self._translators.width, 3), dtype=np.uint8)
        words, sigmas = np.zeros(2, dtype=np.uint32), np.zeros(self._spec.variants, dtype=np.float32)
        for _ in range(self.depth):
            self._feed([blank] * self.batch, [words] * self.batch, [sigmas] * self.batch)
        self._pipeline.schedule_run()
        for _ in range(self.depth):
            self._pipeline.share_outputs()
            self._pipeline.release_outputs()
        self._call.idle = False

    def _feed(
        self,
        frames_nhwc: list[NDArray[np.uint8]],
        key_words: list[NDArray[np.uint32]],
        sigmas: list[NDArray[np.float32]],
    ) -> None:
        self._pipeline.feed_input("frames", frames_nhwc)
        self._pipeline.feed_input("key_words", key_words)
        self._pipeline.feed_input("sigmas", sigmas)

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Raise our own error: what was raised in DALI's thread arrives here as another type with another message."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a thread's border
            ours = self._call.explain(error)
            self._turnstile.shut(str(ours))
            raise ours from ours.__cause__

    @staticmethod
    def _read(batch: Batch, images: Any, finite: Any) -> list[Outcome]:
        rows = range(len(batch.items))
        return batch.outcomes([np.asarray(images.at(i)) for i in rows], [bool(finite.at(i)[0]) for i in rows])


class _GraphCall:
    """What the graph calls for each batch, in DALI's thread.

    Attributes:
        idle: Whether to skip the engines and return whatever images are at hand.
        error: The first error that a call raised, or None. It is kept because DALI passes on the text alone.
    """

    def __init__(self, translators: Translators, spec: ChainSpec, device_id: int) -> None:
        self.idle = True
        self.error: BaseException | None = None
        self._shape = (spec.variants, 3, translators.height, translators.width)
        noise = GaussianNoise(spec.noise)
        self._translate = Translation(translators, noise, threads=spec.threads)
        self._function: Function = self._on_cpu
        if translators.device == "cuda":
            # Imported here: the module needs CuPy, which a machine without a GPU does not have.
            from augengine.chain._cuda import CudaTranslation

            # One buffer more than batches under way, so that none is filled while its output is still read.
            cuda = CudaTranslation(
                translators, noise, variants=spec.variants, batch=spec.batch, buffers=DEPTH + 1, device_id=device_id
            )
            self._function = lambda *inputs: cuda.on_dali_stream(*inputs, idle=self.idle)

    def __call__(self, x_nchw: Capsules, key_words: Capsules, sigmas: Capsules) -> tuple[Capsules, Capsules]:
        try:
            return self._function(x_nchw, key_words, sigmas)
        except BaseException as error:
            self.error = self.error or error
            raise

    def close(self) -> None:
        """Let its threads go, once nothing calls it any more."""
        self._translate.close()

    def explain(self, error: Exception) -> AugengineError:
        """Our error for what DALI raised: the one behind it if it is ours."""
        if isinstance(self.error, AugengineError):
            return self.error
        cause = self.error or error
        ours = ChainError(f"the DALI graph failed: {type(cause).__name__}: {cause}")
        ours.__cause__ = cause
        return ours

    def _on_cpu(self, x_nchw: Capsules, key_words: Capsules, sigmas: Capsules) -> tuple[Capsules, Capsules]:
        if self.idle:
            y_nkchw, finite = np.zeros((len(x_nchw), *self._shape), np.float32), np.ones(len(x_nchw), np.bool_)
        else:
            x, words, draws = ([DLTensorToArray(c) for c in batch] for batch in (x_nchw, key_words, sigmas))
            y_nkchw, finite = self._translate(np.stack(x), words, draws)
        flags = finite.astype(np.uint8).reshape(-1, 1)
        return [ArrayToDLTensor(y) for y in y_nkchw], [ArrayToDLTensor(flag) for flag in flags]


def _build(translators: Translators, spec: ChainSpec, device_id: int, call: _GraphCall) -> Pipeline:
    pipeline = define_graph(spec, device_id if translators.device == "cuda" else None, call)
    pipeline.build()
    return pipeline


def define_graph(spec: ChainSpec, device_id: int | None, call: Callable[..., Any]) -> Pipeline:
    """The graph, defined and not yet built, which takes no device.

    Args:
        spec: Batch and threads.
        device_id: The GPU's ordinal; None for the CPU.
        call: Runs the engines on a batch, see `_GraphCall`.
    """
    on_gpu = device_id is not None

    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=spec.batch,
        num_threads=spec.threads,
        device_id=device_id,
        prefetch_queue_depth=DEPTH,
        # Outputs go from the GPU back to the CPU, which DALI's other executors refuse.
        exec_dynamic=True,
    )
    def graph() -> tuple[Any, Any]:
        inputs = (
            fn.external_source(name="frames", ndim=3, dtype=types.UINT8, layout="HWC"),
            fn.external_source(name="key_words", ndim=1, dtype=types.UINT32),
            fn.external_source(name="sigmas", ndim=1, dtype=types.FLOAT),
        )
        frames, key_words, sigmas = (each.gpu() for each in inputs) if on_gpu else inputs
        images, finite = _variants(frames, key_words, sigmas, call, "gpu" if on_gpu else "cpu")
        return (images.cpu(), finite.cpu()) if on_gpu else (images, finite)

    pipeline: Pipeline = graph()
    return pipeline


def _variants(frames: Any, key_words: Any, sigmas: Any, call: Callable[..., Any], device: str) -> tuple[Any, Any]:
    """The graph itself: uint8 HWC frames in; uint8 KHWC variants, and whether they are finite, out."""
    x_chw = fn.crop_mirror_normalize(frames, dtype=types.FLOAT, output_layout="CHW", mean=[127.5] * 3, std=[127.5] * 3)
    outputs: Any = fn.dl_tensor_python_function(
        x_chw,
        key_words,
        sigmas,
        function=call,
        num_outputs=2,
        device=device,
        batch_processing=True,
        # The engines work on DALI's own stream: its order is enough, and the host need not wait.
        synchronize_stream=False,
        output_layouts=["FCHW", ""],
    )
    y_kchw, finite = outputs
    # The cast rounds to the nearest and saturates. It is the only place where numbers are clipped.
    grey = fn.cast((y_kchw + 1.0) * 127.5, dtype=types.UINT8)
    return fn.transpose(grey, perm=[0, 2, 3, 1]), finite
