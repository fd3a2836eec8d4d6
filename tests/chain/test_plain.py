"""The chain on arrays keeps the contract."""

from __future__ import annotations

import pytest

from augengine.chain.base import ChainSpec, Translators
from augengine.chain.plain import PlainChain
from augengine.errors import SpecError
from augengine.spec import NoiseSpec
from tests.support.array_engines import ArrayEngine, identity
from tests.support.chain_contract import ChainContract


class TestPlainChain(ChainContract):
    def make(self, translators: Translators, chain_spec: ChainSpec) -> PlainChain:
        return PlainChain(translators, chain_spec)


def test_engines_of_different_sizes_make_no_pair() -> None:
    with pytest.raises(SpecError, match="differ"):
        Translators(to_reference=ArrayEngine(identity), from_reference=ArrayEngine(identity, width=64))


@pytest.mark.parametrize("name", ["variants", "batch", "threads"])
def test_a_chain_of_nothing_is_refused(name: str) -> None:
    counts = {"variants": 1, "batch": 1, "threads": 1, name: 0}
    with pytest.raises(SpecError, match=f"{name} must be at least 1, got 0"):
        ChainSpec(noise=NoiseSpec(eps=0.1), **counts)
