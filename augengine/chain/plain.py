"""The chain on arrays, a batch at a time: the executable specification that `dali` is held against."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.chain.base import ChainSpec, Outcome, Request, Translators
from augengine.chain.batches import Batch, Preparation, Turnstile
from augengine.chain.translate import Finite, Translation, normalise, quantise
from augengine.draws.noise import FloatImage, GaussianNoise
from augengine.errors import AugengineError


class PlainChain:
    """Implements `augengine.chain.base.Chain` on arrays; `get` does the work.

    Args:
        translators: Two engines of one size. On a GPU their arrays go there and come back around each batch.
        spec: Noise, K, batch and threads.
    """

    depth = 1

    def __init__(self, translators: Translators, spec: ChainSpec) -> None:
        self.batch = spec.batch
        self._translators, self._noise = translators, GaussianNoise(spec.noise)
        self._prepare = Preparation(translators, spec)
        self._translate_on_cpu = Translation(translators, self._noise, threads=spec.threads)
        self._turnstile: Turnstile[Batch] = Turnstile(spec.batch, self.depth)

    def put(self, requests: Sequence[Request]) -> None:
        """Take a batch of 1 ... ``batch`` requests and decode it."""
        self._turnstile.check(requests)
        self._turnstile.enter(self._prepare(requests))

    def get(self) -> list[Outcome]:
        """Translate the batch that was put, and return one outcome a request."""
        batch = self._turnstile.leave()
        if not batch.items:
            return batch.outcomes([], [])
        try:
            y_nkchw, finite = self._translate(batch)
        except AugengineError as error:
            self._turnstile.shut(str(error))
            raise
        y_nkchw[~finite] = 0  # nobody sees them, and NaN has no 8-bit value
        return batch.outcomes([quantise(y_kchw) for y_kchw in y_nkchw], finite.tolist())

    def close(self) -> None:
        """Drop what is under way; the engines belong to the caller."""
        self._turnstile.shut("it was closed")
        self._translate_on_cpu.close()

    def _translate(self, batch: Batch) -> tuple[FloatImage, Finite]:
        x_nchw = normalise(batch.frames_nhwc())
        if self._translators.device == "cuda":
            from augengine.chain._cuda import translate_from_host

            return translate_from_host(self._translators, self._noise, x_nchw, batch.key_words(), batch.sigmas())
        return self._translate_on_cpu(x_nchw, batch.key_words(), batch.sigmas())
