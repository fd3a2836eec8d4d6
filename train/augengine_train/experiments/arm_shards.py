"""What each arm of an experiment shows, as shards: variants of tiles, or the tiles without their chromogen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from augengine.dataset import AugmentRequest, augment
from augengine.errors import SpecError, WorkerError
from augengine.pictures.chromogen import scale_chromogen
from augengine.progress import Watcher
from augengine.spec import MIN_SIDE, NoiseSpec
from augengine.stains import Stain
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet.arms import Control, write_control
from augengine_train.unet.online import open_translators
from augengine_train.unet.tiles import find_tiles

Shown = Literal["reconstruction", "paper", "shuffle", "haematoxylin", "stain-jitter"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
OF_GENERATORS: tuple[Shown | Control, ...] = ("reconstruction", "paper", "input-noise-cycled")
"""Arms that need a pair of generators."""

_OF_NOISE: tuple[Control, ...] = ("input-noise", "input-noise-cycled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmShards:
    """Writes what arms show of some tiles.

    Attributes:
        source: Folder of the tiles' shards.
        stain: Their stain, with its vectors.
        stain_option: The stain's name or file, as the user gave it.
        eps: Upper bound of the noise of the arms that have any; None takes the stain's own.
        variants: Variants written per tile.
        seed: Root of what is drawn.
        weights: Folder of generators, searched alone.
        mpp: um/px of tiles whose json says none.
        marker_threshold: For the arm ``shuffle``; None derives it from the tiles.
    """

    source: Path
    stain: Stain
    stain_option: str
    eps: float | None
    variants: int
    seed: int
    weights: Path | None
    mpp: float | None
    marker_threshold: float | None = None

    @property
    def noise_bound(self) -> float:
        """The eps of the arms with noise.

        Raises:
            SpecError: None was given, and none is recommended for the stain.
        """
        eps = self.eps if self.eps is not None else self.stain.recommended_eps
        if eps is None:
            raise SpecError(f"nobody measured an eps for {self.stain.name}", hint="--eps; augengine probe finds one")
        return eps

    def write(self, arm: Shown | Control, folder: Path, watcher: Watcher) -> None:
        """Write what an arm shows into a folder, unless it is there.

        Raises:
            WeightsError: There are no generators for this stain.
            WorkerError: Augmenting failed.
        """
        watcher.note(f"arm {arm}")
        if arm == "paper":
            # In float32 and on the plain chain, as the controls are: the arms differ by what they show alone.
            pair: dict[str, Any] = {"weights": self.weights, "precision": "float32", "chain": "plain", "force": True}
            self._augment(folder, watcher, eps=self.noise_bound, **pair)
        elif arm == "shuffle":
            self._augment(folder, watcher, method="shuffle", marker_threshold=self.marker_threshold)
        elif arm == "haematoxylin":
            bare = partial(scale_chromogen, stain=self.stain, factor=0.0)
            write_sources(find_tiles([str(self.source)]), folder / "tiles-000000.tar", bare)
        else:
            self._write_control(arm, folder / f"{self.stain.name}-000000.tar", watcher)

    def _augment(self, folder: Path, watcher: Watcher, **options: Any) -> None:
        request = AugmentRequest(
            stain=self.stain_option,
            source=str(self.source),
            out=folder,
            variants=self.variants,
            seed=self.seed,
            mpp=self.mpp,
            workers=1,
            max_side=max(MIN_SIDE, *(max(tile.height, tile.width) for tile in find_tiles([str(self.source)]))),
            **options,
        )
        summary = augment(request, watcher)
        if not summary.complete():
            raise WorkerError(f"the arm {folder.name} failed: {summary.failure_lines()[0]}", hint="run it again")

    def _write_control(self, arm: Control, file: Path, watcher: Watcher) -> None:
        if file.is_file():
            return
        tiles, translators = find_tiles([str(self.source)]), None
        if arm in OF_GENERATORS:
            notes = {"on_note": watcher.note, "on_warn": watcher.warn}
            translators = open_translators(self.stain, tiles, self.weights, **notes)
        # All reconstructions of a tile are equal: one serves, and the coin that shows it is the same.
        variants = 1 if arm == "reconstruction" else self.variants
        eps = self.noise_bound if arm in _OF_NOISE else 1.0  # the others draw by the seed alone
        noise = NoiseSpec(eps=eps, seed=self.seed)
        try:
            write_control(arm, tiles, file, stain=self.stain, noise=noise, variants=variants, translators=translators)
        finally:
            if translators is not None:
                translators.close()
