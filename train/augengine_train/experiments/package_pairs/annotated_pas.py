"""Annotated pictures of PAS as shards, in the colours that the generators learn: what a segmenter learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from augengine.annotations import open_labels
from augengine.digests import canonical_json
from augengine.errors import SourceError
from augengine.pictures.arrays import Mask, RgbImage
from augengine.pictures.encode import encode_image, encode_mask
from augengine.shards import ShardWriter, members_of
from augengine_train.data.domain import names_of, open_domain
from augengine_train.data.matched_tiles import SIDE, cut_matched, kept_names
from augengine_train.data.matching import Look, match_look
from augengine_train.experiments.package_pairs.centred_tiles import cut, squares
from augengine_train.experiments.package_pairs.plans import MPP, REFERENCE, MorePas, pas_field

GLOMERULUS = 1
"""Its class id in the masks that are written; in the masks that are read all that is not black is one."""

TEST = "test.tar"
"""The shard of what no training sees."""

CENTRED_TEST = "test-centred.tar"
"""The same pictures again, in tiles that a glomerulus fills."""

_EVERY = 5
_PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlined:
    """More pictures of PAS with an annotation file of the same name beside each; no generator learns from them.

    Attributes:
        folder: Where they lie.
        mpp: Their um/px. Coarser ones than the generators' are enlarged: the segmenter sees a quarter of that.
    """

    folder: Path
    mpp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotated:
    """A picture at the generators' um/px, uint8 (H, W, 3), and where its glomeruli are, class ids (H, W)."""

    name: str
    image: RgbImage
    mask: Mask


def write_annotated(more: MorePas, data: Path, out: Path, outlined: Outlined | None = None) -> tuple[Path, ...]:
    """Shards of matched tiles with their masks: to train on, to choose by, and twice to test on.

    The pictures that are left out are tested on; of the others every fifth chooses the best model. Tiles to train on
    overlap by half. Those to train on and to choose by are both plain and filled by a glomerulus.

    Args:
        more: Pictures whose masks lie in a folder of their own.
        data: The data folder.
        out: Folder of the shards.
        outlined: More pictures to train on.

    Raises:
        SourceError: A picture has no mask of its size, or too few are left out or stay.
    """
    pictures = open_domain(str(more.pictures), name=REFERENCE, mpp=MPP).images
    names, look = names_of(pictures), Look.of(pas_field(data))
    out.mkdir(parents=True, exist_ok=True)
    splits = _splits(names, more.left_out)
    for file, chosen in splits.items():
        found: Iterator[_Annotated] = (_with_mask(pictures[names.index(name)], name, more) for name in chosen)
        trains = file.startswith("train")
        with ShardWriter(out / file) as writer:
            for each in (*found, *(_with_outlines(outlined) if outlined and trains else ())):
                if file != CENTRED_TEST:
                    _write_tiles(writer, each, look, SIDE // 2 if trains else SIDE)
                if file != TEST:
                    _write_centred(writer, each, look)
    return tuple(out / file for file in splits)


def _splits(names: Sequence[str], left_out: Sequence[str]) -> Mapping[str, Sequence[str]]:
    kept = kept_names(names, left_out)
    unseen = [name for name in names if name not in kept]
    found = {
        "train.tar": [name for number, name in enumerate(kept, start=1) if number % _EVERY],
        "validation.tar": kept[_EVERY - 1 :: _EVERY],
        TEST: unseen,
        CENTRED_TEST: unseen,
    }
    if lacking := [file for file, chosen in found.items() if not chosen]:
        hint = f"--leave-out names pictures to test on, {_EVERY} must stay; --segmenter-steps 0 does without"
        raise SourceError(f"of {len(names)} annotated pictures there are none for {lacking[0]}", hint=hint)
    return found


def _with_mask(image: RgbImage, name: str, more: MorePas) -> _Annotated:
    file = (more.masks or more.folder / "masks") / f"{Path(name).stem}.png"
    if not file.is_file():
        raise SourceError(f"{name} has no mask {file}", hint="masks/ holds a PNG of each picture's name")
    with Image.open(file) as picture:
        mask = np.where(np.asarray(picture.convert("L")) > 0, GLOMERULUS, 0).astype(np.uint8)
    if mask.shape != image.shape[:2]:
        raise SourceError(f"the mask {file} has another size than its picture", hint="masks are as large as pictures")
    return _Annotated(name=Path(name).stem, image=image, mask=mask)


def _with_outlines(outlined: Outlined) -> Iterator[_Annotated]:
    if not outlined.folder.is_dir():
        raise SourceError(f"there is no folder {outlined.folder}", hint="--outlined is a folder of pictures")
    files = [file for file in sorted(outlined.folder.iterdir()) if file.suffix.lower() in _PICTURES]
    if not files:
        raise SourceError(f"{outlined.folder} holds no pictures", hint="each has a LabelMe file of its name beside it")
    scale = outlined.mpp / MPP
    for file in files:
        with Image.open(file) as picture:
            width, height = picture.size
            size = round(width * scale), round(height * scale)
            image = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))
        labels = open_labels(file.with_suffix(".json"), slide_width=width, slide_height=height)
        ids = dict.fromkeys(labels.classes, GLOMERULUS)
        mask = labels.mask(0, 0, downsample=1 / scale, height=size[1], width=size[0], classes=ids)
        yield _Annotated(name=file.stem, image=image, mask=mask)


def _write_tiles(writer: ShardWriter, each: _Annotated, look: Look, step: int) -> None:
    for y, x, tile in cut_matched(each.image, look, step=step):
        _add(writer, each, f"y{y:04d}_x{x:04d}", tile, each.mask[y : y + SIDE, x : x + SIDE])


def _write_centred(writer: ShardWriter, each: _Annotated, look: Look) -> None:
    matched = match_look(each.image, look)
    for square in squares(each.mask):
        y, x, side = square
        _add(writer, each, f"y{y:04d}_x{x:04d}_side{side:04d}", *cut(matched, each.mask, square))


def _add(writer: ShardWriter, each: _Annotated, place: str, tile: RgbImage, mask: Mask) -> None:
    meta = canonical_json({"mpp": MPP, "patient": each.name})
    members = members_of(encode_image(tile, "png"), "png", mask=encode_mask(mask), json=meta, extras={})
    writer.add(f"{each.name}_{place}", members)
