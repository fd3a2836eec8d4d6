"""Pictures of another laboratory made ready for a training: colours matched, cut into tiles, glass left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from augengine.errors import SourceError
from augengine.pictures.arrays import RgbImage
from augengine.pictures.colour import tissue_mask
from augengine.pictures.files import write_png
from augengine.storage.atomic import write_whole
from augengine_train.data.domain import names_of, open_domain
from augengine_train.data.matching import Look, match_look

SIDE = 512
"""Side of the tiles, in pixels. A fifth of it, held out, is still wide enough to be measured on."""

MIN_TISSUE = 0.45
"""Share of a tile that must be tissue: crops of glass teach a generator nothing."""


def write_matched_tiles(
    source: Path, target: RgbImage, out: Path, *, mpp: float, left_out: Sequence[str] = ()
) -> list[str]:
    """Cut pictures into tiles of tissue in the colours of a target: PNG files, their um/px in a json beside each.

    Args:
        source: A folder of pictures.
        target: uint8 (H, W, 3); the picture whose colours they take.
        out: Folder of the tiles, made if it is missing.
        mpp: um/px of the pictures.
        left_out: Names of pictures, or globs of names, that the training must not see.

    Returns:
        The tiles' names.

    Raises:
        SourceError: There are no pictures, none has a name in ``left_out``, or no tile shows enough tissue.
        TargetError: ``out`` cannot be written.
    """
    pictures = open_domain(str(source), name="reference", mpp=mpp).images
    look, written = Look.of(target), []
    for name in kept_names(names_of(pictures), left_out):
        image = pictures[names_of(pictures).index(name)]
        for y, x, tile in cut_matched(image, look):
            written.append(f"{PurePosixPath(name).stem}_y{y:04d}_x{x:04d}")
            write_tile(out / f"{written[-1]}.png", tile, mpp)
    if not written:
        raise SourceError(f"no tile of {source} shows {MIN_TISSUE:.0%} tissue", hint="give pictures of tissue")
    return written


def kept_names(names: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """The pictures that no pattern leaves out; patterns are names without extension, or globs of them.

    Raises:
        SourceError: A pattern that no picture has.
    """
    stems = {name: PurePosixPath(name).stem for name in names}
    for pattern in left_out:
        if not any(fnmatchcase(stem, pattern) for stem in stems.values()):
            raise SourceError(f"no picture is called {pattern}, yet it is to be left out", hint=f"one is {names[0]}")
    return [name for name, stem in stems.items() if not any(fnmatchcase(stem, pattern) for pattern in left_out)]


def cut_matched(image: RgbImage, look: Look, *, step: int = SIDE) -> Iterator[tuple[int, int, RgbImage]]:
    """The tiles of a picture that show enough tissue, in the colours of ``look``, with their upper left corners y, x.

    The picture is matched as a whole, since a tile may show one structure alone, and cut then.

    Args:
        image: uint8 (H, W, 3).
        look: Whose colours they take.
        step: Pixels from one tile to the next; below `SIDE` they overlap.
    """
    tissue = tissue_mask(image)
    corners = [(y, x) for y in range(0, len(image) - SIDE + 1, step) for x in range(0, image.shape[1] - SIDE + 1, step)]
    enough = [(y, x) for y, x in corners if tissue[y : y + SIDE, x : x + SIDE].mean() >= MIN_TISSUE]
    matched = match_look(image, look) if enough else image
    for y, x in enough:
        yield y, x, matched[y : y + SIDE, x : x + SIDE]


def write_tile(file: Path, tile: RgbImage, mpp: float) -> None:
    """Write a picture as PNG, with a json beside it that says its um/px.

    Raises:
        TargetError: It cannot be written.
    """
    write_png(file, tile)
    write_whole(file.with_suffix(".json"), json.dumps({"mpp": mpp}) + "\n")
