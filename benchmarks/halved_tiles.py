"""``python -m benchmarks.halved_tiles FIELD.png OUT``: a field scanned at 40x as 20x tiles, for docs/notes/results.md.

The field is halved by the mean of each 2 x 2 block and cut into tiles of nearly equal sides, at most 256 px; a json
beside each says the um/px.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from augengine.pictures.encode import encode_image
from augengine_train.data.pictures import Pictures
from augengine_train.data.places import find_pictures
from augengine_train.validate.tiles import cut_tiles

FIELD_MPP, TILE_MPP = 0.25, 0.5


def halve(field: str, out: Path) -> list[Path]:
    """Write the tiles and return their files.

    Raises:
        SourceError: The field cannot be read.
    """
    pictures = Pictures(find_pictures(field, name="the field"), field, mpp=FIELD_MPP, target_mpp=TILE_MPP)
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for number, tile in enumerate(cut_tiles(pictures)):
        file = out / f"{Path(field).stem}_{number}.png"
        file.write_bytes(encode_image(tile, "png"))
        file.with_suffix(".json").write_text(json.dumps({"mpp": TILE_MPP}) + "\n", encoding="utf-8")
        files.append(file)
    return files


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("field", help="an 8-bit RGB picture of 0.25 um/px")
    parser.add_argument("out", type=Path, help="folder of the tiles")
    given = parser.parse_args()
    print(*halve(given.field, given.out), sep="\n")


if __name__ == "__main__":
    main()
