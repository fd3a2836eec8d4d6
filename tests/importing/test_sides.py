"""A generator that goes down more than twice takes tiles of any size: the card knows the multiple of its sides."""

from __future__ import annotations

import io
import json
import math
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from augengine.engines.onnx_types import read_model
from augengine.importing.export import drawn_images, run_onnx
from augengine.weights.cards import DIRECTIONS, find_weights
from tests.support.foreign_graphs import strided, write
from tests.support.imports import bring_in, call
from tests.support.pictures import write_folder

pytestmark = pytest.mark.e2e


def bring_in_pair(folder: Path, multiples: tuple[int, int]) -> Path:
    for seed, (direction, multiple) in enumerate(zip(DIRECTIONS, multiples, strict=True)):
        file = write(strided(multiple, seed), folder / f"{direction}.onnx")
        imported = bring_in(file, folder / "weights", direction)
        assert imported.card.multiple == multiple
        assert (f"its sides are multiples of {multiple} px" in imported.found) == (multiple > 4)
    return folder / "weights"


@pytest.mark.parametrize(
    ("multiples", "engine"), [((4, 4), 52), ((16, 4), 64), ((8, 32), 64), ((256, 256), 256), ((12, 8), 72)]
)
def test_tiles_of_any_size_become_variants_of_their_size(
    multiples: tuple[int, int], engine: int, tmp_path: Path
) -> None:
    weights = bring_in_pair(tmp_path, multiples)
    assert find_weights("pas", "cd68", [weights]).multiple == math.lcm(*multiples)
    built = call("build-engines", "--stain", "cd68", "--weights", weights, "--size", 50, "--json")
    assert {(each["height"], each["width"]) for each in json.loads(built.stdout)} == {(engine, engine)}
    source, out = write_folder(tmp_path / "in", ["a", "b"], height=50, width=50), tmp_path / "out"
    said = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5, "--in", source, "--out", out, "--weights", weights)
    result = call("augment", *said)
    assert result.exit_code == 0, result.stderr
    with tarfile.open(out / "cd68-000000.tar") as shard:
        files = {member.name: shard.extractfile(member) for member in shard if member.name.endswith(".png")}
        sizes = {Image.open(io.BytesIO(file.read())).size for file in files.values() if file is not None}
    assert (len(files), sizes) == (2, {(50, 50)})


def test_the_stored_form_takes_the_sides_that_its_card_says(tmp_path: Path) -> None:
    imported = bring_in(write(strided(64), tmp_path / "G.onnx"), tmp_path / "weights")
    x = drawn_images(1, 64, 192)
    assert run_onnx(read_model(imported.file), x).shape == x.shape


def test_the_legend_of_drawn_tiles_stands_only_where_a_row_has_it(tmp_path: Path) -> None:
    weights = bring_in_pair(tmp_path, (4, 4))
    said = ("build-engines", "--stain", "cd68", "--weights", weights, "--size", 32)
    drawn = call(*said).stdout
    real = call(*said, "--tiles", write_folder(tmp_path / "in", ["a"])).stdout
    for table in (drawn, real):
        rows, _, legend = table.partition("errors:")
        assert ("(s)" in rows) == ("(s)" in legend)
    assert "(s)" not in real
