"""What a user asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

from augengine.chain import ChainName
from augengine.errors import SpecError
from augengine.spec import MASK_SUFFIX, AugmentOptions, BackendName, Method, Precision, set_paths, typed_command
from augengine.storage import AnyPath, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRequest(AugmentOptions):
    """What a user asks `augment` for; the command line's options, one to one.

    Attributes:
        stain: Name of the source's stain, or a stain file.
        out: Folder of the dataset, on a disk or on a store.
        method: ``stain`` for noise by way of the reference stain, ``shuffle`` for markers shuffled without generators.
        eps: Upper bound of the noise's deviation; None takes the stain's recommended one.
        marker_threshold: Chromogen concentration from which on a pixel is marker, where markers are shuffled; None
            derives it from tiles of the source.
        seed: Random seed; the same seed gives the same dataset.
        gate: Least structural similarity of the counterstain between a source and its variant, in [0, 1]; variants
            below it are left out. None looks at none.
        source: Folder or shards, by path or URL, or None for the sample set. Paths may be given as texts.
        masks: Where the masks of a folder of images are.
        mask_suffix: What the name of a mask has after the name of its image.
        image_member, mask_member: Which members of tars are images and masks; None for the usual names.
        samples_per_shard: Source samples per shard; None for about 256 MB of output.
        weights: Folder that is searched alone; None for the usual ones.
        backend, precision, chain: What runs; None lets the noise budget choose the precision.
        no_build: Refuse to compile a missing engine.
        workers: How many; None for one per GPU, or one on a CPU (in a cluster: one per node).
        workers_per_gpu: How many share a GPU; None for three up to 256 px and two above. Not yet run on a GPU.
        ray_address: A running cluster.
        retry_failed: Make shards anew that lack samples.
        force: Do not look at the pair on tiles of the source first; a verdict that is known refuses nothing.
    """

    stain: str
    out: AnyPath
    method: Method = "stain"
    eps: float | None = None
    marker_threshold: float | None = None
    seed: int = 0
    gate: float | None = None
    source: str | None = None
    masks: AnyPath | None = None
    mask_suffix: str = MASK_SUFFIX
    image_member: str | None = None
    mask_member: str | None = None
    samples_per_shard: int | None = None
    weights: Path | None = None
    backend: BackendName = "auto"
    precision: Precision | None = None
    chain: ChainName = "dali"
    no_build: bool = False
    workers: int | None = None
    workers_per_gpu: int | None = 1
    ray_address: str | None = None
    retry_failed: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        set_paths(self, ("out", "masks"), path_of)
        set_paths(self, ("weights",), Path)
        self._check_method()
        if self.workers_per_gpu is not None and self.workers_per_gpu < 1:
            raise SpecError(f"at least 1 worker uses a GPU, got {self.workers_per_gpu}", hint="None decides by size")

    def _check_method(self) -> None:
        """Refuse an unknown method, and options that the method would not look at."""
        if self.method not in get_args(Method):
            raise SpecError(f"unknown method {self.method!r}", hint="--method stain or --method shuffle")
        defaults = {field.name: field.default for field in fields(self)}
        for name in _UNREAD[self.method]:
            if getattr(self, name) != defaults[name]:
                option = f"--{name.replace('_', '-')}"
                raise SpecError(f"--method {self.method} has no use for {option}", hint=f"leave out {option}")

    def command(self) -> str:
        """The command line that makes the same dataset, in a folder that it does not name."""
        return typed_command("augengine augment", self, renamed=_OPTIONS, untold=_UNTOLD)


_OPTIONS = {"source": "--in", "image_format": "--format", "skip_classes": "--skip-class"}
_UNREAD: Mapping[Method, tuple[str, ...]] = {
    "stain": ("marker_threshold",),
    "shuffle": ("eps", "weights", "precision", "backend", "chain", "no_build", "force"),
}
_UNTOLD = ("out", "no_build", "workers", "workers_per_gpu", "ray_address", "retry_failed")
