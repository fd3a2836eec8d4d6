"""Verdicts that were found before, kept in the user's home by pair and source."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from augengine.compiling.tiles import Tiles
from augengine.digests import canonical_json, json_digest
from augengine.errors import ShardError, SpecError, TargetError
from augengine.json_values import from_json, to_json
from augengine.measures.pair_verdict import PairVerdict
from augengine.shards.records import read_json
from augengine.storage.atomic import write_whole
from augengine.weights.cards import WeightsPair
from augengine.weights.home import open_home

_FORMAT = 2
"""Counts up when the rules of the verdict change, the choice of its tiles included."""


def known_verdict(weights: WeightsPair, tiles: Tiles, eps: float) -> PairVerdict | None:
    """What was found before for this pair on this source; None if nobody looked."""
    file = _file(weights, tiles, eps)
    with suppress(ShardError, SpecError):
        return from_json(PairVerdict, read_json(file)) if file.is_file() else None
    return None


def _file(weights: WeightsPair, tiles: Tiles, eps: float) -> Path:
    digest = json_digest([_FORMAT, dict(weights.digests), *tiles.identity(), eps])
    return open_home() / "verdicts" / f"{digest}.json"


def keep_verdict(weights: WeightsPair, tiles: Tiles, eps: float, verdict: PairVerdict) -> None:
    """Keep a verdict; a home that cannot be written costs the measuring again, and nothing else."""
    with suppress(TargetError):
        write_whole(_file(weights, tiles, eps), canonical_json(to_json(verdict)) + b"\n")
