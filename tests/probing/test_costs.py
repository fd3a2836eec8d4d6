"""A probe's costs are of the tiles that it looks at, whatever was measured before."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.compiling import build_stains
from augengine.engines.backends import pick_backend
from augengine.engines.store import EngineStore
from augengine.probing import SpecimenRequest
from augengine.probing.costs import measure_costs
from augengine.probing.specimen import open_specimen
from augengine.weights.home import home
from tests.support.pictures import encode, stained
from tests.support.probes import SIDE
from tests.support.probes import tiles as tiles
from tests.support.small_generator import write_small_pair

BACKEND = pick_backend("openvino")


@pytest.mark.e2e
@pytest.mark.skipif("bfloat16" not in BACKEND.precisions(), reason="this CPU computes no bfloat16 natively")
def test_a_budget_of_other_tissue_is_neither_taken_nor_replaced(tiles: Path, tmp_path: Path) -> None:
    weights, others = tmp_path / "weights", tmp_path / "others"
    write_small_pair(weights, seed=4)
    others.mkdir()
    for i in range(5):
        (others / f"o{i}.png").write_bytes(encode(stained(SIDE, 40 + i)))
    built = build_stains("cd68", weights=weights, tiles=str(others), backend="openvino", size=SIDE)
    (other,) = [pair for pair in built if pair.precision == "bfloat16"]
    request = SpecimenRequest(stain="cd68", source=str(tiles), weights=weights, mpp=0.5, backend="openvino")
    with open_specimen(request, note=print, warn=print) as seen:
        costs = {cost.precision: cost.budget for cost in measure_costs(seen, print)}
    own = costs["bfloat16"]
    assert own is not None
    assert other.budget is not None
    assert (own.tiles, other.budget.tiles) == (3, 5)
    assert own.error_a != other.budget.error_a
    assert costs["float32"] is None
    assert EngineStore(home() / "engines").read_budget(other.to_reference, other.from_reference) == other.budget
