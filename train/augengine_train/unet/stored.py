"""How many variants there are of each tile that is trained on: as many as the training asks for, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from augengine.errors import SourceError
from augengine_train.unet.tiles import Tile
from augengine_train.unet.variants import Rule

_NAMED = 5


def check_stored(tiles: Sequence[Tile], rule: Rule, epochs: int) -> None:
    """Refuse tiles that have fewer variants than a training asks for.

    Raises:
        SourceError: It names the first one.
    """
    needed = rule.least(epochs)
    for tile in tiles:
        if not tile.passed and tile.variants < needed:
            raise SourceError(
                f"{tile.key} has {tile.variants} variants, the training shows {needed}",
                hint=f"augengine augment --variants {needed}, or fewer epochs, or --variants {tile.variants}",
            )


def count_stored(tiles: Sequence[Tile]) -> tuple[int, str]:
    """How many variants of a tile there are to show at most, and a line that says so.

    Tiles that were passed through have none, on purpose.

    Raises:
        SourceError: Some have variants, and others have none for no known reason.
    """
    counts = [tile.variants for tile in tiles if not tile.passed]
    if not any(counts):
        return 0, "no tile has variants: the tiles alone are shown"
    if bare := [tile.key for tile in tiles if not tile.passed and not tile.variants]:
        some = ", ".join(bare[:_NAMED]) + (" ..." if len(bare) > _NAMED else "")
        raise SourceError(
            f"{len(bare)} of {len(tiles)} training tiles have no variants, as {some}; the others have",
            hint="augment these too (did they fail? was there a --limit?), or say --skip-class for those left out "
            "on purpose, or --variants 0 for none at all",
        )
    fewest, most, passed = min(counts), max(counts), len(tiles) - len(counts)
    variants = str(most) if fewest == most else f"its {fewest} to {most}"
    line = f"each of {len(counts)} tiles is shown as it is or as one of {variants} variants"
    return most, line + (f"; {passed} that were passed through always as they are" if passed else "")
