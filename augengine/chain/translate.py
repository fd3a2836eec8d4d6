"""G_BA, keyed noise and G_AB on arrays in main memory: what lies between [-1, 1] and 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from augengine.chain.base import Translators
from augengine.draws.noise import FloatImage, GaussianNoise
from augengine.engines.base import Array, Engine
from augengine.errors import AugengineError, ChainError

Finite = NDArray[np.bool_]


class Translation:
    """A batch translated there and, K times with noise, back: 1 + K passes per sample, on the CPU.

    Nothing is clamped or quantised in between. The noise covers the padding too: the second generator then sees one
    texture from edge to edge, and since padding lies right and below, the image's own pixels have the noise
    they would have without it.

    Args:
        translators: The two engines.
        noise: The noise between them.
        threads: Threads that draw noise while the first engine works.
    """

    def __init__(self, translators: Translators, noise: GaussianNoise, *, threads: int) -> None:
        self._translators, self._noise = translators, noise
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="noise")

    def __call__(
        self,
        x_nchw: FloatImage,
        key_words: Sequence[NDArray[np.uint32]],
        sigmas: Sequence[NDArray[np.float32]],
    ) -> tuple[FloatImage, Finite]:
        """Translate a batch.

        Args:
            x_nchw: float32 (N, 3, height, width) in [-1, 1].
            key_words: N Philox keys, uint32 (2,), low word first.
            sigmas: N times the K standard deviations, float32.

        Returns:
            float32 (N, K, 3, height, width), and for each sample whether A' and all its variants are finite.

        Raises:
            EngineError, ChainError: An engine failed.
        """
        noisy = np.empty((len(x_nchw), len(sigmas[0]), *x_nchw.shape[1:]), dtype=np.float32)
        a_nchw, y_nkchw = np.empty_like(x_nchw), np.empty_like(noisy)
        draws = self._start_draws(noisy, key_words, sigmas)
        run_engine(self._translators.to_reference, x_nchw, a_nchw)
        for draw in draws:
            draw.result()
        noisy += a_nchw[:, np.newaxis]
        flat = (-1, *x_nchw.shape[1:])
        run_engine(self._translators.from_reference, noisy.reshape(flat), y_nkchw.reshape(flat))
        return y_nkchw, _finite(a_nchw) & _finite(y_nkchw)

    def close(self) -> None:
        """Let its threads go; the engines belong to the caller."""
        self._pool.shutdown()

    def _start_draws(
        self,
        out_nkchw: FloatImage,
        key_words: Sequence[NDArray[np.uint32]],
        sigmas: Sequence[NDArray[np.float32]],
    ) -> list[Future[None]]:
        """Draw what will be added to A' while A' is being made: noise needs no image."""
        return [
            self._pool.submit(
                self._noise.draw,
                out_nkchw[sample, row],
                sigma=float(sigma),
                philox_key=int(key_words[sample][0]) | int(key_words[sample][1]) << 32,
                variant=row + 1,
            )
            for sample in range(len(out_nkchw))
            for row, sigma in enumerate(sigmas[sample])
        ]


def _finite(x: FloatImage) -> Finite:
    return np.array([bool(np.isfinite(sample).all()) for sample in x])


def run_engine(engine: Engine, x_nchw: Array, out_nchw: Array, *, stream: int = 0) -> None:
    """Run any number of images through an engine, at most its batch at a time.

    Raises:
        EngineError: The engine raised it.
        ChainError: The engine raised something else.
    """
    for start in range(0, len(x_nchw), engine.batch):
        rows = slice(start, start + engine.batch)
        try:
            engine(x_nchw[rows], out_nchw[rows], stream=stream)
        except AugengineError:
            raise
        except Exception as error:
            raise ChainError(f"an engine failed: {type(error).__name__}: {error}") from error


def normalise(frames_hwc: Sequence[NDArray[np.uint8]]) -> FloatImage:
    """8-bit (H, W, 3) images to float32 (N, 3, H, W) in [-1, 1]: ``x / 127.5 - 1``."""
    nchw = np.stack(frames_hwc).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(nchw, dtype=np.float32) / np.float32(127.5) - np.float32(1)


def quantise(y_kchw: FloatImage) -> NDArray[np.uint8]:
    """float32 (K, 3, H, W) to 8-bit (K, H, W, 3): ``round(127.5 * (y + 1))``, clipped."""
    grey = np.rint((y_kchw + np.float32(1)) * np.float32(127.5))
    khwc: NDArray[np.uint8] = np.clip(grey, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return khwc
