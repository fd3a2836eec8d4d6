"""Which variants of which tiles are shown where they were written ahead, and what is refused before training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.errors import SourceError
from augengine.shards import ShardWriter
from augengine_train.unet.__main__ import main
from augengine_train.unet.run import find_card
from augengine_train.unet.stored import count_stored
from augengine_train.unet.tiles import Tile, find_tiles
from augengine_train.unet.variants import Rule, StoredVariants
from tests.support.datasets import make
from tests.support.pictures import encode
from tests.support.segmenter_tiles import glomerulus, names, write_tiles

TOY = ["--recipe", "small", "--width", 2, "--depth", 2, "--crop", 32, "--steps", 1, "--stain", "cd68"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_copy(folder: Path, key: str, *, side: int = 32, seed: int = 0, said: Mapping[str, Any]) -> str:
    """A shard as `augengine augment` writes it, of one tile."""
    picture, mask = glomerulus(side, seed)
    meta = {"source_key": key, "variant": 0, "source": '{"mpp": 0.5}', **said}
    with ShardWriter(folder / "cd68-000000.tar") as writer:
        members = [("png", encode(picture)), ("seg.png", encode(mask)), ("json", json.dumps(meta).encode())]
        writer.add(f"{key}-v0000", members)
    return str(folder)


PASSED = {"variants": 0}


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """A folder with one tile, as it was cut."""
    write_tiles(tmp_path / "plain", ["t"])
    return str(tmp_path / "plain")


def test_the_copy_of_a_tile_that_passed_through_stands_for_it(plain: str, tmp_path: Path) -> None:
    copy = write_copy(tmp_path / "copy", "t", said=PASSED)
    for order in ([plain, copy], [copy, plain]):
        (tile,) = find_tiles(order)
        assert (tile.passed, tile.variants, tile.images[0].file) == (True, 0, f"{copy}/cd68-000000.tar")


def test_real_duplicates_stay_refused(plain: str, tmp_path: Path) -> None:
    copy, again = (write_copy(tmp_path / name, "t", said=PASSED) for name in ("copy", "again"))
    others = {
        "included": write_copy(tmp_path / "included", "t", said={"variants": 2}),  # a source with variants
        "seed": write_copy(tmp_path / "seed", "t", seed=1, said=PASSED),  # another picture of the same name
        "side": write_copy(tmp_path / "side", "t", side=40, said=PASSED),
        "patient": write_copy(tmp_path / "patient", "t", said={**PASSED, "source": '{"patient": "anna"}'}),
    }
    wrong: list[Sequence[str]] = [[copy, again], [plain, copy, again], [copy, plain, again], [plain, copy, plain]]
    for order in [*wrong, *([plain, other] for other in others.values())]:
        with pytest.raises(SourceError, match="holds t a second time"):
            find_tiles(order)


@pytest.mark.e2e
def test_tiles_and_shards_named_together_are_one_set(tmp_path: Path, small_weights: Path) -> None:
    write_tiles(tmp_path / "tiles", names("g", 2))
    write_tiles(tmp_path / "tiles", ["bg"], seed=4, shard="tiles-000001", said={"class": "background"})
    make(tmp_path / "tiles", tmp_path / "shards", small_weights, variants=2, skip_classes=("background",))
    named = ["--train", tmp_path / "tiles", "--train", tmp_path / "shards"]
    done = run(*named, *TOY, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "each of 2 tiles is shown as it is or as one of 2 variants; 1 that were passed through" in done.output
    data = find_card(tmp_path / "out").run.data
    assert (data["train"]["tiles"], data["shown"]["variants"]) == (3, 2)


def tiles_with(counts: Mapping[str, int], plain: str) -> list[Tile]:
    """Tiles by key, each with so many variants."""
    (tile,) = find_tiles([plain])
    place = tile.images[0]
    return [replace(tile, key=key, images=dict.fromkeys(range(n + 1), place)) for key, n in counts.items()]


def test_the_rule_follows_from_what_all_tiles_have(plain: str) -> None:
    assert count_stored(tiles_with({"a": 0, "b": 0}, plain)) == (0, "no tile has variants: the tiles alone are shown")
    assert count_stored(tiles_with({"a": 4, "b": 4}, plain))[0] == 4
    number, line = count_stored(tiles_with({"a": 4, "b": 3}, plain))
    assert (number, "one of its 3 to 4 variants" in line) == (4, True)


def test_each_tile_shows_all_variants_that_it_has(plain: str) -> None:
    rule = Rule(variants=4, p=1.0, seed=0, at_most=True)
    for tile in tiles_with({"a": 4, "b": 3, "c": 1}, plain):
        assert {rule.pick(tile, epoch) for epoch in range(60)} == set(range(1, tile.variants + 1))


def write_variants(folder: Path, numbers: Sequence[int], written: int, *, source: bool = True) -> str:
    """A shard as `augengine augment` writes it with a gate: some variants of a source, and the source if asked."""
    picture, mask = glomerulus(32, 0)
    with ShardWriter(folder / "cd68-000000.tar") as writer:
        for number in (*([0] if source else []), *numbers):
            said = {"counterstain_ssim": 0.9, "source": '{"mpp": 0.5}'}
            meta = {"source_key": "t", "variant": number, "variants": written, **said}
            image = encode(np.full_like(picture, 10 * number)) if number else encode(picture)
            members = [("png", image), ("seg.png", encode(mask)), ("json", json.dumps(meta).encode())]
            writer.add(f"t-v{number:04d}", members)
    return str(folder)


def test_variants_that_a_gate_left_out_leave_no_gap(tmp_path: Path) -> None:
    (tile,) = find_tiles([write_variants(tmp_path, [2, 5], written=2)])
    stored = StoredVariants()
    assert [int(stored.image(tile, number).max()) for number in (1, 2)] == [20, 50]


def test_a_gap_that_no_gate_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its variant 1 is missing, though later ones are there"):
        find_tiles([write_variants(tmp_path, [2, 5], written=5)])


def test_one_tile_without_variants_is_named_and_turns_nothing_off(plain: str) -> None:
    tiles = tiles_with({"a": 2, "b": 0, "c": 2}, plain)
    with pytest.raises(SourceError, match="1 of 3 training tiles have no variants, as b; the others have") as caught:
        count_stored(tiles)
    assert "--skip-class" in caught.value.hint
    assert count_stored([replace(tile, passed=not tile.variants) for tile in tiles])[0] == 2


@pytest.mark.e2e
def test_the_command_refuses_what_a_limit_left_unaugmented(tmp_path: Path, small_weights: Path) -> None:
    write_tiles(tmp_path / "tiles", names("g", 2))
    make(tmp_path / "tiles", tmp_path / "shards", small_weights, limit=1)
    named = ["--train", tmp_path / "tiles", "--train", tmp_path / "shards", *TOY]
    done = run(*named, "--out", tmp_path / "out")
    assert (done.exit_code, "1 of 2 training tiles have no variants, as g1" in done.output) == (2, True), done.output
    baseline = run(*named, "--variants", 0, "--out", tmp_path / "out")
    assert baseline.exit_code == 0, baseline.output


def test_sources_may_lie_apart_from_what_a_gate_left_of_them(plain: str, tmp_path: Path) -> None:
    apart = write_variants(tmp_path / "gated", [1, 3], written=2, source=False)
    (tile,) = find_tiles([plain, apart])
    assert (tile.variants, tile.passed) == (2, False)


def test_a_tile_of_which_a_gate_left_nothing_is_shown_as_it_is(tmp_path: Path) -> None:
    write_tiles(tmp_path / "plain", ["t", "emptied"])
    apart = write_variants(tmp_path / "gated", [2], written=1, source=False)
    emptied, tile = find_tiles([str(tmp_path / "plain"), apart])
    assert (emptied.key, emptied.passed, tile.passed, tile.variants) == ("emptied", True, False, 1)
    number, line = count_stored([emptied, tile])
    assert (number, "1 that were passed through always as they are" in line) == (1, True)
