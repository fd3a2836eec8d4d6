"""`probe` and `augment` judge a pair on the same tiles of a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.compiling import Tiles, find_verdict
from augengine.compiling.tissue_tiles import tiles_to_judge, tiles_with_most_marker
from augengine.dataset import AugmentRequest
from augengine.dataset.resolve import resolve_pair
from augengine.probing import SpecimenRequest
from augengine.probing.specimen import open_specimen
from augengine.sources import open_source
from augengine.stains import BUILT_IN
from tests.support.datasets import Listener
from tests.support.pictures import encode, stained
from tests.support.small_generator import write_small_pair

SIDE, COUNT = 64, 24


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two dozen tiles, from crowded to sparse."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    for i in range(COUNT):
        (folder / f"t{i:02}.png").write_bytes(encode(stained(SIDE, i, spots=1 + (7 * i) % COUNT)))
    return folder


@pytest.mark.e2e
def test_probe_and_augment_judge_a_pair_on_the_same_tiles(source: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    write_small_pair(weights)
    run = resolve_pair(
        AugmentRequest(source=str(source), out=tmp_path / "out", stain="cd68", eps=0.05, mpp=0.5, weights=weights),
        Listener(),
    )
    verdict = find_verdict(run.weights, run.tiles, 0.05, "openvino", print)
    request = SpecimenRequest(stain="cd68", source=str(source), weights=weights, mpp=0.5)
    with open_specimen(request, note=print, warn=print) as specimen:
        assert list(verdict.keys) == specimen.keys
    most = tiles_with_most_marker(run.tiles, len(specimen.keys), SIDE, SIDE)
    assert most.markers == specimen.markers
    assert {tile.key for tile in most.shown} != set(specimen.keys)


def test_a_threshold_that_is_given_decides_what_a_marker_is(source: Path, tmp_path: Path) -> None:
    found = open_source(str(source), stain="cd68")
    tiles = Tiles(source=found, listing=found.scan(), stain=BUILT_IN["cd68"])
    pale, dark = (tiles_to_judge(tiles, 1, SIDE, SIDE, threshold=threshold) for threshold in (0.001, 0.03))
    assert (pale.markers.threshold, dark.markers.threshold) == (0.001, 0.03)
    assert pale.shown[0].key != dark.shown[0].key
