"""What a user asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augengine.chain import ChainName
from augengine.spec import AugmentOptions, BackendName, Precision, set_paths, typed_command
from augengine.storage import AnyPath, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRequest(AugmentOptions):
    """What a user asks `augment` for; the command line's options, one to one.

    Attributes:
        stain: Name of the source's stain, or a stain file.
        out: Folder of the dataset, on a disk or on a store.
        eps: Upper bound of the noise's deviation; None takes the stain's recommended one.
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
        ray_address: A running cluster.
        retry_failed: Make shards anew that lack samples.
        force: Do not look at the pair on tiles of the source first; a verdict that is known refuses nothing.
    """

    stain: str
    out: AnyPath
    eps: float | None = None
    seed: int = 0
    gate: float | None = None
    source: str | None = None
    masks: AnyPath | None = None
    mask_suffix: str = "_mask"
    image_member: str | None = None
    mask_member: str | None = None
    samples_per_shard: int | None = None
    weights: Path | None = None
    backend: BackendName = "auto"
    precision: Precision | None = None
    chain: ChainName = "dali"
    no_build: bool = False
    workers: int | None = None
    ray_address: str | None = None
    retry_failed: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        set_paths(self, ("out", "masks"), path_of)
        set_paths(self, ("weights",), Path)

    def command(self) -> str:
        """The command line that makes the same dataset, in a folder that it does not name."""
        return typed_command("augengine augment", self, renamed=_OPTIONS, untold=_UNTOLD)


_OPTIONS = {"source": "--in", "image_format": "--format", "skip_classes": "--skip-class"}
_UNTOLD = ("out", "no_build", "workers", "ray_address", "retry_failed")
