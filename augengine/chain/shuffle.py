"""The chain without generators: markers found by colour deconvolution, and shuffled.

It stands beside the others on the seam of chains, not on that of translations. Those work on frames that are padded to
the engines' size, and a marker must neither come from the padding nor go there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from augengine.chain.base import Outcome, Request, Variants
from augengine.chain.batches import Turnstile
from augengine.draws.moves import draw_moves
from augengine.errors import ContentError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.images import Decoder
from augengine.pictures.markers import MarkerRule
from augengine.pictures.shuffle import MarkedPicture
from augengine.sample import Failure
from augengine.spec import ShuffleSpec
from augengine.stains import Stain

Decoded = tuple[str, RgbImage | ContentError]
"""A source's key, and its image or why there is none."""


class ShuffleChain:
    """Implements `augengine.chain.base.Chain` by shuffled markers; `get` does the work, one image a thread.

    Args:
        spec: What counts as a marker, and the seed.
        variants: K.
        max_side: Longest side of an image, in pixels.
        batch: Source images per batch.
        threads: CPU threads.
    """

    depth = 1

    def __init__(self, spec: ShuffleSpec, *, variants: int, max_side: int, batch: int = 4, threads: int = 1) -> None:
        self.batch = batch
        self._rule, self._seed, self._variants = rule_of(spec), spec.seed, variants
        self._decoder = Decoder(threads=threads, max_side=max_side)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="shuffle")
        self._turnstile: Turnstile[list[Decoded]] = Turnstile(batch, self.depth)

    def put(self, requests: Sequence[Request]) -> None:
        """Take a batch of 1 ... ``batch`` requests and decode it."""
        self._turnstile.check(requests)
        decoded = self._decoder.decode([request.image for request in requests])
        self._turnstile.enter([(request.key, image) for request, image in zip(requests, decoded, strict=True)])

    def get(self) -> list[Outcome]:
        """Shuffle the markers of the batch that was put, and return one outcome a request."""
        shuffle = partial(shuffle_markers, rule=self._rule, seed=self._seed, variants=self._variants)
        return list(self._pool.map(shuffle, self._turnstile.leave()))

    def between(self, image: RgbImage) -> RgbImage:
        """Draw the picture without its markers, to be shown between a source and its variants."""
        return MarkedPicture(image, self._rule).erased

    def close(self) -> None:
        """Drop what is under way and let the threads go."""
        self._turnstile.shut("it was closed")
        self._pool.shutdown()


def rule_of(spec: ShuffleSpec) -> MarkerRule:
    """The rule that tells markers from tissue, as a plan has it."""
    stain = Stain(name="shuffled", reference=None, chromogen=spec.chromogen, counterstain=spec.counterstain)
    return MarkerRule(stain=stain, threshold=spec.threshold)


def shuffle_markers(decoded: Decoded, *, rule: MarkerRule, seed: int, variants: int) -> Outcome:
    """K variants of one image, or why there are none.

    Args:
        decoded: The source's key, and its image as uint8 (H, W, 3).
        rule: What counts as a marker.
        seed: Root of every draw of a dataset.
        variants: K.
    """
    key, image = decoded
    if isinstance(image, ContentError):
        return Failure(key, image.message)
    picture = MarkedPicture(image, rule)
    draws = (draw_moves(seed, key, variant, len(picture.markers)) for variant in range(1, variants + 1))
    return Variants(
        key=key, images_khwc=np.stack([picture.shuffled(moves) for moves in draws]), sigmas=(0.0,) * variants
    )
