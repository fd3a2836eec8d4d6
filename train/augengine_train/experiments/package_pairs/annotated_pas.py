"""Annotated pictures of PAS as shards, in the colours that the generators learn: what a segmenter learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from augengine.digests import canonical_json
from augengine.errors import SourceError
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.encode import encode_image, encode_mask
from augengine.shards import ShardWriter, members_of
from augengine_train.data.domain import names_of, open_domain
from augengine_train.data.matched_tiles import cut_matched, kept_names
from augengine_train.data.matching import Look
from augengine_train.experiments.package_pairs.plans import MPP, REFERENCE, MorePas, pas_field

GLOMERULUS = 1
"""Its class id in the masks that are written; in the masks that are read all that is not black is one."""

TEST = "test.tar"
"""The shard of what no training sees."""

_EVERY = 5


def write_annotated(more: MorePas, data: Path, out: Path) -> tuple[Path, ...]:
    """Shards of matched tiles with their masks: to train on, to choose by, to test on.

    The pictures that are left out are tested on; of the others every fifth chooses the best model.

    Raises:
        SourceError: A picture has no mask of its size, or none is left out.
    """
    pictures = open_domain(str(more.pictures), name=REFERENCE, mpp=MPP).images
    names, look = names_of(pictures), Look.of(pas_field(data))
    out.mkdir(parents=True, exist_ok=True)
    splits = _splits(names, more.left_out)
    for file, chosen in splits.items():
        with ShardWriter(out / file) as writer:
            for name in chosen:
                _write_picture(writer, pictures[names.index(name)], name, more, look)
    return tuple(out / file for file in splits)


def _splits(names: Sequence[str], left_out: Sequence[str]) -> Mapping[str, Sequence[str]]:
    kept = kept_names(names, left_out)
    found = {
        "train.tar": [name for number, name in enumerate(kept, start=1) if number % _EVERY],
        "validation.tar": kept[_EVERY - 1 :: _EVERY],
        TEST: [name for name in names if name not in kept],
    }
    if lacking := [file for file, chosen in found.items() if not chosen]:
        hint = f"--leave-out names pictures to test on, and at least {_EVERY} must stay"
        raise SourceError(f"of {len(names)} annotated pictures there are none for {lacking[0]}", hint=hint)
    return found


def _write_picture(writer: ShardWriter, image: RgbImage, name: str, more: MorePas, look: Look) -> None:
    meta = canonical_json({"mpp": MPP, "patient": Path(name).stem})
    for key, tile, mask in _annotated(image, name, more, look):
        members = members_of(encode_image(tile, "png"), "png", mask=encode_mask(mask), json=meta, extras={})
        writer.add(key, members)


def _annotated(image: RgbImage, name: str, more: MorePas, look: Look) -> Iterator[tuple[str, RgbImage, Mask]]:
    file = (more.masks or more.folder / "masks") / f"{Path(name).stem}.png"
    if not file.is_file():
        raise SourceError(f"{name} has no mask {file}", hint="masks/ holds a PNG of each picture's name")
    with Image.open(file) as picture:
        mask = np.where(np.asarray(picture.convert("L")) > 0, GLOMERULUS, 0).astype(np.uint8)
    if mask.shape != image.shape[:2]:
        raise SourceError(f"the mask {file} has another size than its picture", hint="masks are as large as pictures")
    for y, x, tile in cut_matched(image, look):
        yield f"{Path(name).stem}_y{y:04d}_x{x:04d}", tile, mask[y : y + len(tile), x : x + tile.shape[1]]
