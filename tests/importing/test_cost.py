"""What a run would cost is known before it: what grows too fast with the image is not run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from augengine.errors import CheckpointError, WeightsError
from augengine.generator import Generator
from augengine.importing.cost import MAX_PRODUCTS, MAX_PRODUCTS_IN_ALL, MAX_VALUES, MAX_WINDOW, check_cost, guarded
from augengine.importing.export import Tile, to_onnx
from augengine.weights.recipe import Recipe
from tests.support.foreign_graphs import convolution, graph, node, strided

FILE = Path("g.onnx")


def cost(model: ModelProto, shape: tuple[int, ...]) -> int:
    return check_cost(model, FILE, shape)


def renamed(model: ModelProto) -> ModelProto:
    """The same with the input that graphs of ours have."""
    for each in model.graph.node:
        each.input[:] = ["x" if name == "a" else name for name in each.input]
    model.graph.input[0].name = "x"
    return model


def convolved(side: int) -> ModelProto:
    """One convolution whose output is as large as its input."""
    return renamed(graph([node("Conv", "a w", "b", auto_pad="SAME_UPPER")], {"w": convolution(side=side)}))


def convolved_by_itself() -> ModelProto:
    """A convolution whose kernel is the image."""
    nodes = [node("Conv", "a v", "k"), node("Conv", "a k", "b")]
    return renamed(graph(nodes, {"v": convolution(side=4)}))


def test_products_are_counted_by_the_shapes() -> None:
    assert cost(convolved(5), (2, 3, 64, 32)) == 2 * 3 * 64 * 32 * 3 * 5 * 5
    down_and_up = 3 * 16 * 16 * 3 * 4 * 4
    assert cost(renamed(strided(4)), (1, 3, 64, 64)) == 2 * down_and_up


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_windows_of_pools_count(operator: str) -> None:
    pooled = renamed(graph([node(operator, "a", "b", kernel_shape=[3, 3])], {}))
    assert cost(pooled, (1, 3, 10, 10)) == 3 * 8 * 8 * 9


def test_a_kernel_that_is_the_image_is_refused() -> None:
    with pytest.raises(WeightsError, match=f"while it runs is 61 px wide, {MAX_WINDOW} are allowed"):
        cost(convolved_by_itself(), (1, 3, 64, 64))


def test_a_stored_kernel_may_be_as_large_as_its_work_allows() -> None:
    assert cost(renamed(strided(256)), (1, 3, 256, 256)) == 2 * 3 * 3 * 256 * 256


def test_values_that_fill_the_memory_are_refused() -> None:
    grown = renamed(graph([node("Tile", "a times", "b")], {"times": np.array([1, 1, 1 << 10, 1 << 10])}))
    with pytest.raises(WeightsError, match=r"has the shape \(1, 3, 65536, 65536\)"):
        cost(grown, (1, 3, 64, 64))
    assert MAX_VALUES < 3 * 65536**2


def test_runs_are_refused_once_they_have_taken_enough_together() -> None:
    taken = []

    def translate(x: Tile) -> Tile:
        taken.append(x.shape)
        return x

    run, x = guarded(translate, convolved(31), FILE), np.zeros((1, 3, 4096, 4096), np.float32)
    for _ in range(MAX_PRODUCTS_IN_ALL // cost(convolved(31), x.shape)):
        run(x)
    before = len(taken)
    with pytest.raises(WeightsError, match="are left for trying it"):
        run(x)
    assert len(taken) == before > 1


def test_a_run_that_takes_too_much_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"takes 2\.5e\+12 multiplications, 2\.2e\+12 are left"):
        cost(convolved(255), (1, 3, 1 << 11, 1 << 11))
    assert MAX_PRODUCTS < 3 * 3 * 255**2 * (1 << 22)


def test_letters_of_einsum_count() -> None:
    many = np.zeros(2, np.int64) + (1 << 14)
    nodes = [
        node("Expand", "one size", "m"),
        node("Einsum", "m m", "k", equation="ij, jk -> ik"),
        node("Add", "a k", "b"),
    ]
    squared = renamed(graph(nodes, {"one": np.ones(1, np.float32), "size": many}))
    with pytest.raises(WeightsError, match=r"takes 4\.4e\+12 multiplications"):
        cost(squared, (1, 3, 64, 64))


def test_what_follows_the_values_is_let_through() -> None:
    nodes = [
        node("NonZero", "a", "where"),
        node("Cast", "where", "k", to=1),
        node("MatMul", "k k", "c"),
        node("Add", "a c", "b"),
    ]
    assert cost(renamed(graph(nodes, {})), (1, 3, 64, 64)) == 0


def test_the_largest_generators_of_the_papers_are_let_through() -> None:
    model = to_onnx(Generator(Recipe.zhu2017()))
    assert cost(model, (1, 3, 512, 512)) == pytest.approx(2.0e11, rel=0.05)
    assert cost(model, (2, 3, 512, 1536)) == pytest.approx(1.2e12, rel=0.05)
    assert 6 * cost(model, (1, 3, 1024, 1024)) < MAX_PRODUCTS_IN_ALL


def test_the_file_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"^g\.onnx, for images of 1 x 3 x 64 x 64: "):
        cost(convolved_by_itself(), (1, 3, 64, 64))
