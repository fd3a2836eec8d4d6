"""A pair opened for images of one size in memory."""

from __future__ import annotations

import numpy as np

from augengine.chain import make_chain
from augengine.chain.base import Chain, ChainName, ChainSpec, Request, Translators, Variants
from augengine.chain.batches import pad_to
from augengine.chain.translate import normalise, quantise
from augengine.draws.noise import FloatImage, add_noise
from augengine.engines.fidelity import run_on_host
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image
from augengine.spec import NoiseSpec

MAX_CHAINS = 4
"""Numbers of variants for which a chain is held; each has buffers of its own."""


class OpenPair:
    """Both engines of a pair, loaded, and chains over them.

    Args:
        translators: The engines; closed with it.
        noise: eps and seed.
        chain: Which chain draws variants.
        threads: CPU threads.
    """

    def __init__(self, translators: Translators, noise: NoiseSpec, chain: ChainName, threads: int) -> None:
        self._translators, self._noise, self._threads, self._name = translators, noise, threads, chain
        self._chains: dict[int, Chain] = {}

    def vary(self, image_hwc: RgbImage, key: str, variants: int, sigma: float | None) -> RgbImage | str:
        """Variants of an image that the engines can hold, uint8 (K, H, W, 3), or why there are none."""
        if sigma is not None:
            return self._with_sigma(image_hwc, key, variants, sigma)
        chain = self.chain(variants)
        chain.put([Request(key=key, image=encode_image(image_hwc, "png"))])
        (outcome,) = chain.get()
        return outcome.images_khwc if isinstance(outcome, Variants) else outcome.reason

    def to_reference(self, image_hwc: RgbImage) -> FloatImage:
        """A', float32 (3, H, W), of an image of at most the engines' size."""
        return _cropped(self._there(image_hwc), image_hwc)

    def reconstruct(self, image_hwc: RgbImage) -> RgbImage:
        """There and back without noise, uint8 (H, W, 3)."""
        back = run_on_host(self._translators.from_reference, self._there(image_hwc)[None])
        height, width = image_hwc.shape[:2]
        found: RgbImage = quantise(back)[0, :height, :width]
        return found

    def close(self) -> None:
        """Close the chains, then the engines."""
        for chain in self._chains.values():
            chain.close()
        self._chains.clear()
        self._translators.close()

    def _there(self, image_hwc: RgbImage) -> FloatImage:
        """A' in the engines' size, float32 (3, height, width)."""
        frame = pad_to(image_hwc, self._translators.height, self._translators.width)
        found: FloatImage = run_on_host(self._translators.to_reference, normalise([frame]))[0]
        return found

    def _with_sigma(self, image_hwc: RgbImage, key: str, variants: int, sigma: float) -> RgbImage:
        a_chw = self._there(image_hwc)
        noisy = np.empty((variants, *a_chw.shape), dtype=np.float32)
        for row in range(variants):
            add_noise(a_chw, noisy[row], sigma=sigma, seed=self._noise.seed, key=key, variant=row + 1)
        height, width = image_hwc.shape[:2]
        made: RgbImage = quantise(run_on_host(self._translators.from_reference, noisy))[:, :height, :width]
        return made

    def chain(self, variants: int) -> Chain:
        """The chain that draws so many variants of an image; it belongs to this pair."""
        if variants not in self._chains:
            while len(self._chains) >= MAX_CHAINS:
                self._chains.pop(next(iter(self._chains))).close()
            spec = ChainSpec(noise=self._noise, variants=variants, batch=1, threads=self._threads)
            device = 0 if self._translators.device == "cuda" else None
            self._chains[variants] = make_chain(self._name, self._translators, spec, device_id=device)
        return self._chains[variants]


def _cropped(a_chw: FloatImage, image_hwc: RgbImage) -> FloatImage:
    height, width = image_hwc.shape[:2]
    return np.ascontiguousarray(a_chw[:, :height, :width])
