"""The GPU branch of the chain: its graph anywhere, the contract where there is a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from augengine.chain.base import ChainSpec, Translators
from augengine.chain.dali import DaliChain, define_graph
from augengine.chain.plain import PlainChain
from augengine.engines.driver import why_no_driver
from tests.support.array_engines import blur, pair, swap_colours
from tests.support.chain_contract import ChainContract
from tests.support.chain_requests import images_of, levels_apart, requests, spec
from tests.support.gpu import cupy_or_skip


def test_the_graph_for_a_gpu_is_defined_without_one_and_keeps_the_engines_there() -> None:
    graph = define_graph(spec(), 0, lambda *_: None)
    if why_no_driver():
        with pytest.raises(RuntimeError, match="CUDA is not available"):
            graph.build()
    else:
        graph.build()
    devices = {operator.name.strip("_").split("_")[0]: operator.outputs[0].device for operator in graph._ops}
    assert {name for name, device in devices.items() if device == "cpu"} == {"frames", "key", "sigmas"}
    assert {"CropMirrorNormalize", "DLTensorPythonFunction", "Cast", "Transpose"} <= devices.keys()
    assert [output.device for output in graph._graph_outputs] == ["cpu", "cpu"]


@pytest.fixture
def cupy() -> Any:
    """CuPy with a GPU to use."""
    return cupy_or_skip()


@pytest.mark.gpu
@pytest.mark.usefixtures("cupy")
class TestDaliChainOnAGpu(ChainContract):
    device = "cuda"

    def make(self, translators: Translators, chain_spec: ChainSpec) -> DaliChain:
        return DaliChain(translators, chain_spec)

    def test_it_agrees_with_the_plain_chain_on_a_cpu(self) -> None:
        plain = PlainChain(pair(swap_colours, blur), spec())
        plain.put(requests(4))
        gpu = self.run(self.pair(swap_colours, blur), spec(), requests(4))
        for a, b in zip(plain.get(), gpu, strict=True):
            assert levels_apart(images_of(a), images_of(b)) <= 1


@pytest.mark.gpu
@pytest.mark.usefixtures("cupy")
class TestPlainChainOnAGpu(ChainContract):
    device = "cuda"

    def make(self, translators: Translators, chain_spec: ChainSpec) -> PlainChain:
        return PlainChain(translators, chain_spec)
