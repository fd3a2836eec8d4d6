"""The controls of the experiment as shards: what a tile's variants are if they are not the paper's.

They are written ahead in the form of `augengine augment`, so that one loader reads all arms. The two that a dataset of
augengine's cannot be (noise of deviation 0, noise elsewhere) use the engines directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from augengine.chain.base import Translators
from augengine.chain.translate import normalise, quantise
from augengine.digests import canonical_json
from augengine.draws.noise import GaussianNoise
from augengine.errors import SpecError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.encode import encode_image, encode_mask
from augengine.sample import SOURCE_VARIANT, variant_key
from augengine.shards import ShardWriter, members_of
from augengine.spec import NoiseSpec
from augengine.stains import Stain
from augengine_train.data.decoding import PlaceReader
from augengine_train.unet.augmentations import jitter_stains
from augengine_train.unet.draws import draw_stain_jitter
from augengine_train.unet.tiles import Tile
from augengine_train.unet.variants import StoredVariants, from_reference, to_reference

Control = Literal["reconstruction", "input-noise", "input-noise-cycled", "stain-jitter"]
"""``reconstruction``: there and back without noise. ``input-noise``: the paper's noise on the tile itself, without any
generator. ``input-noise-cycled``: the same, then there and back. ``stain-jitter``: amounts of stain, changed."""


def write_control(
    control: Control,
    tiles: Sequence[Tile],
    file: Path,
    *,
    stain: Stain,
    noise: NoiseSpec,
    variants: int,
    translators: Translators | None = None,
) -> None:
    """Write the variants 1 ... ``variants`` of some tiles into a shard, without the tiles themselves.

    Sigma and noise are those of the paper's arm: of (seed, key, variant), see `augengine.draws.noise`.

    Args:
        control: Which.
        tiles: Tiles of one stain.
        file: The tar; written whole or not at all.
        stain: Their stain.
        noise: eps and seed of the paper's arm.
        variants: How many of each; all reconstructions of a tile are equal.
        translators: The engines, where the control has any.

    Raises:
        SpecError: An unknown control, or no engines for one that needs them.
        TargetError: The file cannot be written.
    """
    if control not in get_args(Control):
        raise SpecError(f"unknown control {control!r}", hint=", ".join(get_args(Control)))
    draft = file.with_suffix(".part")  # its index takes the name of the tar
    with ShardWriter(draft) as writer:
        for tile in tiles:
            for variant in range(1, variants + 1):
                picture = draw_control(control, tile, variant, stain=stain, noise=noise, translators=translators)
                _add(writer, control, tile, variant, picture)
    draft.replace(file)


def draw_control(
    control: Control, tile: Tile, variant: int, *, stain: Stain, noise: NoiseSpec, translators: Translators | None
) -> RgbImage:
    """One variant of a tile, uint8 (H, W, 3); arguments as in `write_control`."""
    picture = StoredVariants().image(tile, SOURCE_VARIANT)
    if control == "stain-jitter":
        jittered = jitter_stains(draw_stain_jitter(noise.seed, tile.key, variant), picture, stain)
        return np.rint(jittered * 255).astype(np.uint8)
    if control != "reconstruction":
        picture = _add_input_noise(picture, tile.key, variant, noise)
    if control == "input-noise":
        return picture
    if translators is None:
        raise SpecError(f"the control {control} needs generators")
    return from_reference(translators, to_reference(translators, picture, tile.key), picture.shape[:2], tile.key)


def _add_input_noise(picture: RgbImage, key: str, variant: int, noise: NoiseSpec) -> RgbImage:
    x_chw = normalise([picture])[0]
    GaussianNoise(noise).add(x_chw, x_chw, key=key, variant=variant)
    return np.ascontiguousarray(quantise(x_chw[None])[0])


def _add(writer: ShardWriter, control: Control, tile: Tile, variant: int, picture: RgbImage) -> None:
    own = canonical_json({"patient": tile.patient} if tile.patient else {}).decode()
    record = {"source_key": tile.key, "variant": variant, "made": control, "mpp": tile.mpp or 0.0, "source": own}
    members = members_of(
        encode_image(picture, "png"),
        "png",
        mask=encode_mask(PlaceReader().mask(tile.mask)),
        json=canonical_json(record),
        extras={},
    )
    writer.add(variant_key(tile.key, variant), members)
