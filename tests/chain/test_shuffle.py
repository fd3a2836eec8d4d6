"""Shuffled markers: the rules of every chain, and what becomes of the markers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augengine.chain.base import Chain, ChainSpec, Variants
from augengine.chain.shuffle import ShuffleChain, rule_of
from augengine.pictures.markers import dice, marker_mask
from augengine.spec import ShuffleSpec
from augengine.stains import BUILT_IN, HAEMATOXYLIN
from tests.support.array_engines import SIDE
from tests.support.chain_contract import ChainRules
from tests.support.chain_requests import SEED, images_of, request
from tests.support.marked_tissue import THRESHOLD, marked_tissue

STAIN = BUILT_IN["cd68"]
SPEC = ShuffleSpec(threshold=THRESHOLD, counterstain=HAEMATOXYLIN, chromogen=STAIN.chromogen, seed=SEED)


class TestShuffleChain(ChainRules):
    def make_any(self, chain_spec: ChainSpec) -> Chain:
        return ShuffleChain(
            replace(SPEC, threshold=0.14),  # the rules' pictures are random pixels: a tenth of them is above it
            variants=chain_spec.variants,
            max_side=SIDE,
            batch=chain_spec.batch,
            threads=chain_spec.threads,
        )


def chain(side: int, threads: int = 1) -> ShuffleChain:
    return ShuffleChain(SPEC, variants=2, max_side=side, threads=threads)


def test_the_markers_are_elsewhere_and_as_many() -> None:
    image = marked_tissue(seed=1)
    shuffling = chain(len(image))
    shuffling.put([request("a", image)])
    (outcome,) = shuffling.get()
    shuffling.close()
    before, *after = (marker_mask(each, STAIN, THRESHOLD) for each in (image, *images_of(outcome)))
    for mask in after:
        assert mask.sum() == pytest.approx(before.sum(), rel=0.1)
        assert (dice([before], [mask]) or 0) < 0.2
    assert (dice([after[0]], [after[1]]) or 0) < 0.2


def test_there_is_no_sigma_where_there_is_no_noise() -> None:
    shuffling = chain(SIDE)
    shuffling.put([request("a", marked_tissue(seed=2)[:SIDE, :SIDE])])
    (outcome,) = shuffling.get()
    shuffling.close()
    assert isinstance(outcome, Variants)
    assert outcome.sigmas == (0.0, 0.0)


def test_the_bytes_depend_on_no_thread() -> None:
    asked = [request(f"k{i}", marked_tissue(seed=i)) for i in range(4)]
    made = []
    for threads in (1, 3):
        shuffling = chain(160, threads)
        shuffling.put(asked)
        made.append([images_of(each) for each in shuffling.get()])
        shuffling.close()
    for one, other in zip(*made, strict=True):
        assert np.array_equal(one, other)


def test_between_lies_the_picture_without_its_markers() -> None:
    image = marked_tissue(seed=3)
    shuffling = chain(len(image))
    assert not rule_of(SPEC).mask(shuffling.between(image)).any()
    shuffling.close()
