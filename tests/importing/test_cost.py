"""What a run would cost is known before it: what grows too fast with the image is not run."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from augengine.errors import WeightsError
from augengine.importing.cost import MAX_PRODUCTS, MAX_VALUES, MAX_WINDOW, check_cost, guarded
from augengine.importing.export import Tile
from tests.support.foreign_graphs import convolution, graph, node, of_size, strided


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
    assert check_cost(convolved(5), (2, 3, 64, 32)) == 2 * 3 * 64 * 32 * 3 * 5 * 5
    down_and_up = 3 * 16 * 16 * 3 * 4 * 4
    assert check_cost(renamed(strided(4)), (1, 3, 64, 64)) == 2 * down_and_up


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_windows_of_pools_count(operator: str) -> None:
    pooled = renamed(graph([node(operator, "a", "b", kernel_shape=[3, 3])], {}))
    assert check_cost(pooled, (1, 3, 10, 10)) == 3 * 8 * 8 * 9


def test_a_kernel_that_is_the_image_is_refused() -> None:
    with pytest.raises(WeightsError, match=f"while it runs is 61 px wide .* {MAX_WINDOW} are allowed"):
        check_cost(convolved_by_itself(), (1, 3, 64, 64))


def test_a_stored_kernel_may_be_as_large_as_its_work_allows() -> None:
    assert check_cost(renamed(strided(256)), (1, 3, 256, 256)) == 2 * 3 * 3 * 256 * 256


def test_values_that_fill_the_memory_are_refused() -> None:
    grown = renamed(graph([node("Tile", "a times", "b")], {"times": np.array([1, 1, 1 << 10, 1 << 10])}))
    with pytest.raises(WeightsError, match=r"has the shape \(1, 3, 65536, 65536\)"):
        check_cost(grown, (1, 3, 64, 64))
    assert MAX_VALUES < 3 * 65536**2


def test_runs_are_refused_once_they_have_taken_enough_together() -> None:
    taken = []

    def translate(x: Tile) -> Tile:
        taken.append(x.shape)
        return x

    run, x = guarded(translate, convolved(31)), np.zeros((1, 3, 4096, 4096), np.float32)
    for _ in range(MAX_PRODUCTS // check_cost(convolved(31), x.shape)):
        run(x)
    before = len(taken)
    with pytest.raises(WeightsError, match="multiplications, too many"):
        run(x)
    assert len(taken) == before > 1


def test_shapes_that_nobody_can_infer_are_let_through() -> None:
    assert check_cost(renamed(of_size(64, 64)), (1, 3, 64, 64)) >= 0
