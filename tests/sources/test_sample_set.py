"""The sample set shows the effect: its own generators bring the markers back, and noise moves them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from augengine.compiling import build_stains
from augengine.dataset import AugmentRequest, augment
from augengine.errors import SourceError
from augengine.pictures.markers import derive_threshold, dice, marker_mask
from augengine.pictures.masks import read_mask
from augengine.sample import Sample
from augengine.sources import SampleSet, open_source
from augengine.sources.sample_set import NOTE, TAR
from augengine.stains import BUILT_IN
from augengine.weights.cards import find_weights
from augengine.weights.home import SAMPLE_WEIGHTS, weight_roots
from augengine_train.phantom.sample_set import TILES, sample_fields
from tests.support.datasets import Listener, members, record
from tests.support.pictures import decode
from tests.support.places import ROOT
from tests.support.sources import read_all

CD68 = BUILT_IN["cd68"]
KEYS = [f"kidney_{number}" for number in range(1, TILES + 1)]


def demo_eps() -> float:
    """The eps that `make demo` types."""
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "augengine augment" in line)
    words = shlex.split(line)
    return float(words[words.index("--eps") + 1])


def tiles() -> list[Sample]:
    """The tiles as the package has them."""
    return [sample for sample in read_all(SampleSet()) if isinstance(sample, Sample)]


def made(out: Path, eps: float, **more: object) -> dict[str, NDArray[np.uint8]]:
    """Two variants of every tile, and the tiles, by key."""
    request = AugmentRequest(stain="cd68", eps=eps, out=out, variants=2, include_source=True, **more)  # type: ignore[arg-type]
    augment(request, Listener())
    return {name.removesuffix(".png"): decode(data) for name, data in members(out).items()
            if re.fullmatch(r"kidney_\d-v\d{4}\.png", name)}  # fmt: skip


def markers(images: dict[str, NDArray[np.uint8]], variant: int) -> Sequence[NDArray[np.bool_]]:
    """The marker masks of one variant of every tile, by the threshold that the tiles themselves tell."""
    threshold = derive_threshold([images[f"{key}-v0000"] for key in KEYS], CD68)
    return [marker_mask(images[f"{key}-v{variant:04d}"], CD68, threshold) for key in KEYS]


@pytest.mark.e2e
def test_noise_of_the_demo_moves_the_markers_to_other_places(tmp_path: Path) -> None:
    images = made(tmp_path / "out", demo_eps())
    moved = dice(markers(images, 1), markers(images, 2))
    assert moved is not None
    assert moved < 0.8


@pytest.mark.e2e
def test_without_noise_the_markers_come_back_where_they_were(tmp_path: Path) -> None:
    images = made(tmp_path / "out", 1e-6)
    kept = dice(markers(images, 0), markers(images, 1))
    assert kept is not None
    assert kept > 0.8


@pytest.mark.e2e
def test_its_pair_serves_only_where_no_input_is_named(tmp_path: Path) -> None:
    own = find_weights("pas", "cd68", [SAMPLE_WEIGHTS])
    assert find_weights("pas", "cd68", weight_roots()).digests != own.digests
    drawn, named = Listener(), Listener()
    augment(AugmentRequest(stain="cd68", eps=0.05, out=tmp_path / "drawn", limit=1), drawn)
    augment(AugmentRequest(stain="cd68", eps=0.05, out=tmp_path / "named", limit=1, source=str(TAR)), named)
    assert NOTE in drawn.notes
    assert NOTE not in named.notes
    engines = [record(tmp_path / name, "kidney_1-v0001")["engine_to_reference"] for name in ("drawn", "named")]
    assert engines[0] != engines[1]


@pytest.mark.e2e
def test_build_engines_without_a_stain_builds_its_pair_too(small_weights: Path) -> None:
    def built(stain: str | None) -> set[str]:
        pairs = build_stains(stain, weights=small_weights, tiles=None, backend="openvino", size=32)
        return {pair.weights.name for pair in pairs}

    assert built(None) == {"cd68", "cd68 (sample set)"}
    assert built("cd68") == {"cd68"}


def test_other_stains_need_images_of_their_own() -> None:
    with pytest.raises(SourceError, match="the sample set is tissue of cd68, so cd34 needs images") as caught:
        open_source(None, stain="cd34")
    assert "--in" in caught.value.hint


def test_its_tiles_are_those_that_the_drawing_draws() -> None:
    assert [sample.key for sample in tiles()] == KEYS
    for sample, field in zip(tiles(), islice(sample_fields(), TILES), strict=True):
        assert sample.mask is not None
        assert sample.mpp == 0.5
        assert np.abs(decode(sample.image).astype(int) - field.image).mean() < 0.2  # processors round apart
        assert (read_mask(sample.mask, max_side=256) != field.glomeruli).mean() < 0.001


def test_every_tile_shows_the_border_of_a_glomerulus() -> None:
    for sample in tiles():
        assert sample.mask is not None
        assert 0.4 < read_mask(sample.mask, max_side=256).mean() < 0.8
