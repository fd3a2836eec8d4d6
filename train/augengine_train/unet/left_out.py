"""The tiles that eps was chosen on, as `augengine train choose-eps` lists them: a later experiment leaves them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from augengine.errors import AugengineError, SourceError
from augengine_train.unet.cohort import Cohort

_GIVE = "name the eps.json of a `augengine train choose-eps` on the same data"


def leave_out(cohort: Cohort, file: Path, stain: str | None) -> Cohort:
    """The cohort without the training tiles that eps was chosen on.

    Args:
        cohort: Tiles of the same data.
        file: The eps.json.
        stain: Name of the cohort's stain, if it is known.

    Raises:
        SourceError: The file cannot be read, is of another stain, or names tiles that are not trained on.
    """
    said = _read(file)
    if stain is not None and said.get("stain", stain) != stain:
        raise SourceError(f"{file} is of the stain {said['stain']}, the tiles are of {stain}", hint=_GIVE)
    try:
        return cohort.without(said["tiles"])
    except AugengineError as error:
        raise SourceError(f"{file} does not fit: {error.message}", hint=error.hint) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: {error}", hint=_GIVE) from error
    tiles = said.get("tiles") if isinstance(said, dict) else None
    if not isinstance(tiles, list) or not tiles or not all(isinstance(key, str) for key in tiles):
        raise SourceError(f"{file} lists no tiles", hint=_GIVE)
    return dict(said)
