"""A stain's pair found, and opened for a size of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from augengine.chain.base import ChainName, Translators
from augengine.compiling import Tiles, build_pairs, choose_pair
from augengine.dataset.open_pair import OpenPair
from augengine.engines.backends import pick_backend
from augengine.engines.base import Backend
from augengine.engines.store import own_store
from augengine.errors import SpecError
from augengine.machine import cpu_threads
from augengine.pictures.arrays import RgbImage
from augengine.sources import SampleSet
from augengine.spec import BackendName, NoiseSpec, Precision, round_side
from augengine.stains import Stain
from augengine.weights.cards import WeightsPair, find_weights
from augengine.weights.home import find_own_stain, reference_of, weight_roots


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSource:
    """What opens a pair: which generators, how they run, and with which noise.

    Attributes:
        stain: The images' stain.
        weights: Its generators.
        backend: Runs them.
        noise: eps and seed.
        precision: Asked for; None leaves it to the noise budget.
        chain: Which chain draws variants.
        threads: CPU threads.
        note: Told in a line what takes a while.
    """

    stain: Stain
    weights: WeightsPair
    backend: Backend
    noise: NoiseSpec
    precision: Precision | None
    chain: ChainName
    threads: int
    note: Callable[[str], None]

    @classmethod
    def find(
        cls,
        stain: str,
        *,
        eps: float | None,
        seed: int,
        weights: Path | None,
        precision: Precision | None,
        backend: BackendName,
        threads: int | None,
        note: Callable[[str], None],
    ) -> Self:
        """Find a stain's generators; the arguments are those of `Augmenter`, which says what they raise."""
        own = find_own_stain(stain)
        if (strongest := eps if eps is not None else own.recommended_eps) is None:
            raise SpecError(f"nobody measured an eps for {own.name}", hint="give eps; the paper's best value is 0.05")
        return cls(
            stain=own,
            weights=find_weights(reference_of(own), own.name, weight_roots(weights)),
            backend=pick_backend(backend),
            noise=NoiseSpec(eps=strongest, seed=seed),
            precision=precision,
            chain="dali",
            threads=threads or cpu_threads(),
            note=note,
        )

    @property
    def eps(self) -> float:
        """Upper bound of the noise's standard deviation."""
        return self.noise.eps

    def in_words(self) -> str:
        """Which pair it opens, for a `repr`."""
        pair = self.weights
        return f"{pair.stain!r}, eps={self.eps:g}, seed={self.noise.seed}, by way of {pair.reference}"

    def size_for(self, image_hwc: RgbImage) -> tuple[int, int]:
        """Height and width of the engines that hold an image."""
        height, width = (round_side(side, self.weights.multiple) for side in image_hwc.shape[:2])
        return height, width

    def open(self, size: tuple[int, int]) -> OpenPair:
        """Compile what is missing for this height and width, choose the precision, and load the engines."""
        store, source = own_store(), SampleSet()
        height, width = size
        pairs = build_pairs(
            self.weights,
            self.backend,
            store,
            height=height,
            width=width,
            tiles=Tiles(source=source, listing=source.scan(), stain=self.stain, known=self.weights.of_sample_set),
            eps=self.noise.eps,
            precisions=None if self.precision is None else (self.precision,),
            on_note=self.note,
        )
        chosen = choose_pair(pairs, self.noise.eps, self.precision)
        loaded = (store.load(name, threads=self.threads) for name in (chosen.to_reference, chosen.from_reference))
        to_reference, from_reference = loaded
        translators = Translators(to_reference=to_reference, from_reference=from_reference)
        return OpenPair(translators, self.noise, self.chain, self.threads)
