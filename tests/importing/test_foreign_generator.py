"""An example checks an ONNX file as it is, and a checkpoint in every reading that is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from augengine.chain.translate import normalise, quantise
from augengine.errors import CheckpointError
from augengine.importing.export import Tile
from tests.support.foreign_generators import Numbered, draw_weights
from tests.support.foreign_graphs import graph, node, strided, write
from tests.support.imports import bring_in
from tests.support.pictures import encode, tissue

pytestmark = pytest.mark.e2e

PICTURE = tissue(64, 64, 2)
X = normalise([PICTURE])
SCALES = np.array([0.9, 0.5, 0.2], np.float32)[:, None, None]
SHIFTS = np.array([0.1, 0.0, -0.3], np.float32)[:, None, None]


def example(folder: Path, y_nchw: Tile) -> tuple[Path, Path]:
    files = folder / "in.png", folder / "out.png"
    files[0].write_bytes(encode(PICTURE))
    files[1].write_bytes(encode(quantise(y_nchw)[0]))
    return files


def coloured(x: Tile) -> Tile:
    return np.asarray(np.tanh(x * SCALES + SHIFTS))


# What the user's own code does around the network, which is exported without it.
AROUND: dict[str, Callable[[Tile], Tile]] = {
    "images in [0, 1]": lambda x: 2 * coloured((x + 1) / np.float32(2)) - 1,
    "an input in [0, 1]": lambda x: coloured((x + 1) / np.float32(2)),
    "an output in [0, 1]": lambda x: 2 * coloured(x) - 1,
    "an input in [0, 255]": lambda x: coloured((x + 1) * np.float32(127.5)),
    "channels in the order BGR": lambda x: coloured(x[:, ::-1])[:, ::-1],
}


def network(folder: Path) -> Path:
    nodes = [node("Mul", "a s", "c"), node("Add", "c t", "d"), node("Tanh", "d", "b")]
    return write(graph(nodes, {"s": SCALES, "t": SHIFTS}), folder / "G.onnx")


def test_an_onnx_file_that_gives_the_example_is_stored(tmp_path: Path) -> None:
    imported = bring_in(network(tmp_path), tmp_path / "w", example=example(tmp_path, coloured(X)))
    assert imported.fit is not None
    assert imported.fit.error < 0.1
    assert (imported.fit.reading, imported.fit.alike) == ("", ())
    assert imported.fit.sentence() in imported.lines()
    assert imported.to_json()["example"]["error"] == imported.fit.error


@pytest.mark.parametrize("scaling", AROUND)
def test_a_scaling_that_would_explain_the_example_is_named(scaling: str, tmp_path: Path) -> None:
    pictures = example(tmp_path, np.ascontiguousarray(AROUND[scaling](X)))
    with pytest.raises(CheckpointError, match="it fits with") as caught:
        bring_in(network(tmp_path), tmp_path / "w", example=pictures)
    assert caught.value.message.endswith(f"it fits with {scaling}")
    assert "export it together with that scaling" in caught.value.hint
    assert not (tmp_path / "w").exists()


def test_an_example_has_the_sides_that_the_graph_takes(tmp_path: Path) -> None:
    file = write(strided(128), tmp_path / "G.onnx")
    with pytest.raises(Exception, match="takes multiples of 128"):
        bring_in(file, tmp_path / "w", example=example(tmp_path, X))


def test_where_an_option_is_wrong_the_hint_is_to_leave_it_out(tmp_path: Path) -> None:
    generator = draw_weights(Numbered(relu=True))
    torch.save(generator.state_dict(), tmp_path / "G.pth")
    pictures = example(tmp_path, generator(torch.from_numpy(X)).numpy())
    with pytest.raises(CheckpointError, match="none of 10 readings") as caught:
        bring_in(tmp_path / "G.pth", tmp_path / "w", recipe="zhu2017", padding="reflect", example=pictures)
    assert caught.value.hint.startswith("leave out --recipe and --padding")
    imported = bring_in(tmp_path / "G.pth", tmp_path / "w", example=pictures)
    assert "a ReLU after each addition" in imported.found
    assert imported.card.recipe["relu_after_add"] is True
