"""The search for a stain's eps: its share of the data, its cells, and the value in the stain's file."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from augengine.errors import SourceError, SpecError, StainError
from augengine.stains import BUILT_IN, Stain, find_stain
from augengine_train.experiments.choose_eps import Choice
from augengine_train.experiments.choose_eps.__main__ import main, table
from augengine_train.experiments.choose_eps.stain_file import recommend_eps
from augengine_train.experiments.choose_eps.tuning_share import draw_share
from augengine_train.experiments.source_copy import write_sources
from augengine_train.unet.run import find_card
from augengine_train.unet.tiles import Tile, find_tiles
from tests.support.datasets import record
from tests.support.segmenter_tiles import names, write_tiles
from tests.support.small_generator import write_small_pair

CHOICE = Choice(
    stain="cd68", f1={0.0: (0.5, 0.6), 0.01: (0.6, 0.7), 0.05: (0.7, 0.8), 0.3: (0.8, 0.7), 0.9: (0.1,)}, tiles=("a",)
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tile, ...]:
    folder = tmp_path_factory.mktemp("tiles")
    for number in range(5):
        write_tiles(folder, names(f"p{number}_", 4), seed=10 * number, patient=f"p{number}", shard=f"s{number}")
    return find_tiles([str(folder)])


def test_a_share_is_keyed_and_as_large_as_asked(tiles: tuple[Tile, ...]) -> None:
    for share, count in ((0.1, 2), (0.5, 10), (0.01, 1), (1.0, 20)):
        chosen = draw_share(tiles, share, "tile", 0)
        assert len(chosen) == count
        assert chosen == draw_share(tiles, share, "tile", 0)
    assert draw_share(tiles, 0.5, "tile", 0) != draw_share(tiles, 0.5, "tile", 1)


def test_every_tile_is_as_likely_to_be_chosen(tiles: tuple[Tile, ...]) -> None:
    found = Counter(tile.key for seed in range(200) for tile in draw_share(tiles, 0.25, "tile", seed))
    assert len(found) == 20
    assert all(25 < count < 80 for count in found.values())  # 50 expected


def test_a_share_of_the_patients_has_all_of_their_tiles(tiles: tuple[Tile, ...]) -> None:
    chosen = draw_share(tiles, 0.4, "patient", 0)
    assert Counter(Counter(tile.patient for tile in chosen).values()) == {4: 2}
    with pytest.raises(SourceError, match="p0_0 says no patient"):
        draw_share([replace(tile, patient="") for tile in tiles], 0.4, "patient", 0)
    with pytest.raises(SpecError, match="share"):
        draw_share(tiles, 0.0, "tile", 0)


def test_sources_are_copied_byte_for_byte(tiles: tuple[Tile, ...], tmp_path: Path) -> None:
    write_sources(tiles[:3], tmp_path / "tiles.tar")
    copied = find_tiles([str(tmp_path)])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["tiles.idx", "tiles.tar"]
    for one, other in zip(tiles[:3], copied, strict=True):
        assert (one.key, one.patient, one.mpp) == (other.key, other.patient, other.mpp)
        assert one.images[0].read() == other.images[0].read()
        assert one.mask.read() == other.mask.read()


def test_the_highest_mean_is_recommended_and_the_smaller_of_equals() -> None:
    assert CHOICE.recommended == 0.05
    worse = replace(CHOICE, f1={**CHOICE.f1, 0.0: (0.76,)})
    assert (worse.best, worse.recommended) == (0.05, None)
    collapsed = replace(CHOICE, f1=dict.fromkeys(CHOICE.f1, (0.0,)))
    assert (collapsed.recommended, len(collapsed.doubts())) == (None, 1)
    assert CHOICE.deviation(0.05) == pytest.approx(0.0707, abs=1e-4)
    assert CHOICE.deviation(0.9) == 0.0
    lines = table(CHOICE)
    assert [line.endswith("<- recommended") for line in lines[1:6]] == [False, False, True, False, False]
    assert json.loads(json.dumps(CHOICE.to_json()))["f1"]["0"] == [0.5, 0.6]


@pytest.mark.parametrize(
    ("line", "now"),
    [
        ("recommended_eps = 0.05", "recommended_eps = 0.3"),
        ("recommended_eps=0.05   # by hand", "recommended_eps = 0.3   # by hand"),
        ("# recommended_eps = 0.05", "# recommended_eps = 0.05\nrecommended_eps = 0.3"),
    ],
)
def test_a_stains_file_keeps_all_but_the_value(tmp_path: Path, line: str, now: str) -> None:
    file = tmp_path / "cd3.toml"
    head = '# my stain\nname = "cd3"\nreference = "pas"\nchromogen = [0.27, 0.57, 0.78]  # DAB\nrealistic_eps = 0.4\n'
    file.write_text(head + line + "\n")
    before = Stain.from_toml(file)
    assert recommend_eps(before, 0.3, file) == replace(before, recommended_eps=0.3) == Stain.from_toml(file)
    assert file.read_text() == head + now + "\n"


def test_a_built_in_stain_gets_a_file_that_is_found_before_it(tmp_path: Path) -> None:
    file = tmp_path / "stains" / "cd34.toml"
    recommend_eps(BUILT_IN["cd34"], 0.1, file)
    assert find_stain("cd34", file.parent) == replace(BUILT_IN["cd34"], recommended_eps=0.1)


@pytest.mark.parametrize(
    ("text", "eps", "error"),
    [
        ('name = "cd3"\nchromogen = [1, 1, 1]\n', 0.1, StainError),  # another stain's
        ("name = ", 0.1, StainError),
        ('name = "cd68"\nchromogen = [1, 1, 1]\n"recommended_eps" = 0.2\n', 0.1, StainError),
        ('name = "cd68"\nchromogen = [1, 1, 1]\n', 3.0, SpecError),
    ],
)
def test_a_file_that_cannot_be_changed_stays_as_it_is(
    tmp_path: Path, text: str, eps: float, error: type[Exception]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(error):
        recommend_eps(BUILT_IN["cd68"], eps, file)
    assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


TOY = ["--recipe", "small", "--width", 2, "--depth", 2, "--crop", 32, "--steps", 1, "--share", 0.5]
TOY += ["--grid", "0.5,0.01", "--repeats", 2, "--variants", 1]


@pytest.fixture
def arguments(tmp_path: Path, small_weights: Path) -> list[object]:
    """A search of six cells on eight tiles, for a stain of one's own, with generators of one's own."""
    for number, (split, count) in enumerate((("train", 8), ("validation", 2))):
        write_tiles(tmp_path / split, names(split, count), seed=50 * number, patient=split)
    recommend_eps(BUILT_IN["cd68"], 0.05, tmp_path / "cd68.toml")
    shutil.copytree(small_weights, tmp_path / "weights")
    where = {"stain": "cd68.toml", "train": "train", "validation": "validation", "weights": "weights", "out": "out"}
    return [*itertools.chain(*((f"--{name}", tmp_path / place) for name, place in where.items())), *TOY]


def write_cells(file: Path, f1: Mapping[float, float]) -> None:
    """What trainings would have said, two of each eps."""
    cells = [{"eps": eps, "repeat": repeat, "f1": value, "step": 1} for eps, value in f1.items() for repeat in (0, 1)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(cell) + "\n" for cell in cells))


@pytest.mark.e2e
def test_the_command_tries_the_grid_and_goes_on(arguments: list[object], tmp_path: Path, own_home: Path) -> None:
    done = run(*arguments, "--no-write")
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "out" / "eps.json").read_text())
    assert set(said["f1"]) == {"0", "0.01", "0.5"}
    assert all(len(values) == 2 for values in said["f1"].values())
    assert len(said["tiles"]) == 4
    assert (tmp_path / "out" / "eps.png").read_bytes().startswith(b"\x89PNG")
    assert find_card(tmp_path / "out" / "runs" / "eps-0.5-1").run.precision == "float32"
    assert json.loads((tmp_path / "out" / "search.json").read_text())["precision"] == "float32"
    assert record(tmp_path / "out" / "shards" / "eps-0.5", f"{said['tiles'][0]}-v0001")["precision"] == "float32"
    assert Stain.from_toml(tmp_path / "cd68.toml").recommended_eps == 0.05
    assert not (own_home / "stains").exists()
    cells = tmp_path / "out" / "cells.jsonl"
    before = cells.read_text().splitlines(keepends=True)
    cells.write_text("".join(before[:-1]))  # as a kill before the last cell leaves it
    again = run(*arguments, "--no-write")
    assert again.exit_code == 0, again.output
    assert "5 of 6 cells were run before" in again.output
    assert cells.read_text().splitlines(keepends=True) == before


def test_the_best_eps_becomes_the_stains(arguments: list[object], tmp_path: Path) -> None:
    write_cells(tmp_path / "out" / "cells.jsonl", {0.0: 0.7, 0.01: 0.8, 0.5: 0.75})
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "6 of 6 cells were run before" in done.output
    assert "warning" not in done.output
    stain = tmp_path / "cd68.toml"
    assert Stain.from_toml(stain) == replace(BUILT_IN["cd68"], recommended_eps=0.01)
    assert f"changed {stain}: recommended_eps = 0.01" in done.output
    assert run(*arguments).exit_code == 0  # a stain with another recommended eps is still that stain


def test_an_eps_beyond_the_real_is_recommended_with_a_warning(arguments: list[object], tmp_path: Path) -> None:
    write_cells(tmp_path / "out" / "cells.jsonl", {0.0: 0.7, 0.01: 0.7, 0.5: 0.75})
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "warning: eps 0.5 is above 0.3, where cd68 stops looking real" in done.output
    assert Stain.from_toml(tmp_path / "cd68.toml").recommended_eps == 0.5


def test_tiles_without_a_patient_are_counted_aloud(arguments: list[object], tmp_path: Path) -> None:
    write_tiles(tmp_path / "train", names("train", 8))
    write_cells(tmp_path / "out" / "cells.jsonl", {0.0: 0.7, 0.01: 0.8, 0.5: 0.75})
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "warning: 8 of 10 tiles say no patient" in done.output


def test_what_is_worse_than_none_is_not_recommended(arguments: list[object], tmp_path: Path) -> None:
    write_cells(tmp_path / "out" / "cells.jsonl", {0.0: 0.7, 0.01: 0.65, 0.5: 0.6})
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "no eps is recommended: the best, 0.01, has a mean F1 of 0.6500, no augmentation has 0.7000" in done.output
    assert "recommended: none; no stain file was touched" in done.output
    assert "<- best" in done.output
    assert Stain.from_toml(tmp_path / "cd68.toml").recommended_eps == 0.05
    said = json.loads((tmp_path / "out" / "eps.json").read_text())
    assert (said["best_eps"], said["recommended_eps"], len(said["doubts"])) == (0.01, None, 1)


def retrain(folder: Path) -> None:
    write_small_pair(folder / "weights", seed=9)


def recolour(folder: Path) -> None:
    file = folder / "cd68.toml"
    recommend_eps(replace(BUILT_IN["cd68"], chromogen=BUILT_IN["cd34"].chromogen), 0.05, folder / "other.toml")
    (folder / "other.toml").replace(file)


def redraw(split: str, **said: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        key, count, seed = split, *((8, 0) if split == "train" else (2, 50))
        write_tiles(folder / split, names(key, count), seed=seed + (not said), patient=split, said=said)

    return change


@pytest.mark.parametrize(
    ("change", "more", "name"),
    [
        (retrain, [], "generators"),
        (recolour, [], "stain"),
        (redraw("train"), [], "tiles"),
        (redraw("validation"), [], "validation"),
        (redraw("train", mpp=0.45), [], "tiles"),
        (lambda _: None, ["--mpp", 0.5], "mpp"),
        (lambda _: None, ["--variants", 2], "variants"),
        (lambda _: None, ["--classes", "1,2"], "classes"),
    ],
)
def test_what_decides_the_numbers_cannot_change_within_a_search(
    arguments: list[object], tmp_path: Path, change: Callable[[Path], None], more: list[object], name: str
) -> None:
    write_cells(tmp_path / "out" / "cells.jsonl", {0.0: 0.7, 0.01: 0.8, 0.5: 0.75})
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    change(tmp_path)
    done = run(*arguments, *more)
    assert (done.exit_code, f"holds another search: {name} " in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grid", "0.1,x"], "a grid is numbers"),
        (["--grid", "0.1,3"], "different eps in"),
        (["--grid", "0.1,0.1"], "different eps in"),
        ([], "there are no validation tiles"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    write_tiles(tmp_path / "train", ["t"])
    write_tiles(tmp_path / "validation", ["v"], seed=1)
    where = ["--validation", str(tmp_path / "validation")] if arguments else []
    done = run("--stain", "cd68", "--train", tmp_path / "train", "--out", tmp_path / "out", *where, *arguments)
    assert done.exit_code == 2
    assert said in done.output
