"""int8 within the noise: ranges of the source, as many blocks as eps bears, refusals by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.compiling import BuiltPair, Tiles, build_pairs, choose_pair
from augengine.compiling.int8_pair import Sensitivity, _first_rung
from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.store import EngineStore
from augengine.errors import EngineError, SpecError
from augengine.sources import SampleSet, open_source
from augengine.stains import find_stain
from augengine.weights.cards import WeightsPair, find_weights
from augengine.weights.home import SAMPLE_WEIGHTS, weight_roots
from tests.support.pictures import write_folder

pytestmark = pytest.mark.e2e

BACKEND = OpenVinoBackend()
SIDE = 64
needs_int8 = pytest.mark.skipif(bool(BACKEND.why_no_int8()), reason=BACKEND.why_no_int8() or "it runs here")


class OldCpu(OpenVinoBackend):
    """The backend on a machine without instructions for bytes."""

    def why_no_int8(self) -> str:
        return "this CPU is old"


@pytest.fixture(scope="module")
def sample_pair() -> WeightsPair:
    return find_weights("pas", "cd68", [SAMPLE_WEIGHTS])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EngineStore:
    return EngineStore(tmp_path_factory.mktemp("home") / "engines")


def tiles() -> Tiles:
    source = SampleSet()
    return Tiles(source=source, listing=source.scan(), stain=find_stain("cd68"), known=True)


def build(pair: WeightsPair, store: EngineStore, eps: float, **options: Any) -> dict[str, BuiltPair]:
    backend = options.pop("backend", BACKEND)
    made = build_pairs(pair, backend, store, height=SIDE, width=SIDE, tiles=tiles(), eps=eps, **options)
    return {each.precision: each for each in made}


@needs_int8
def test_int8_is_made_for_the_noise_and_found_again(sample_pair: WeightsPair, store: EngineStore) -> None:
    made = build(sample_pair, store, 0.3, precisions=["int8"])["int8"]
    assert made.budget is not None
    assert 0 < made.budget.equivalent_sigma <= 0.03
    assert made.left_out == ()
    assert len(made.int8_blocks) == 12
    said: list[str] = []
    assert build(sample_pair, store, 0.3, precisions=["int8"], on_note=said.append)["int8"] == made
    assert said == []
    chosen = choose_pair([made], 0.3, "int8")
    assert chosen.int8 == made.int8


@needs_int8
def test_less_noise_bears_fewer_blocks(sample_pair: WeightsPair, store: EngineStore) -> None:
    every = build(sample_pair, store, 0.3, precisions=["int8"])["int8"]
    assert every.budget is not None
    eps = 9.5 * every.budget.equivalent_sigma  # not all blocks fit by a little
    fewer = build(sample_pair, store, eps, precisions=["int8"])["int8"]
    assert fewer.budget is not None
    assert fewer.budget.fits(eps)
    assert 0 < len(fewer.int8_blocks) < 12
    assert len(fewer.left_out) == 12 - len(fewer.int8_blocks)
    assert set(fewer.left_out).isdisjoint(fewer.int8_blocks)


@needs_int8
def test_noise_that_bears_no_block_is_refused_by_name_and_done_without(
    sample_pair: WeightsPair, store: EngineStore
) -> None:
    with pytest.raises(SpecError, match=r"too large even with one block|does not fit eps") as raised:
        build(sample_pair, store, 1e-6, precisions=["int8"])
    assert "auto" in raised.value.hint
    assert "int8" not in build(sample_pair, store, 1e-6)


@needs_int8
def test_by_name_and_by_auto_the_same_engines_are_made(sample_pair: WeightsPair, store: EngineStore) -> None:
    every = build(sample_pair, store, 0.3, precisions=["int8"])["int8"]
    assert every.budget is not None
    eps = 9.5 * every.budget.equivalent_sigma
    named, offered = (build(sample_pair, store, eps, precisions=each).get("int8") for each in (["int8"], None))
    assert named is not None
    assert offered is not None
    assert (named.to_reference, named.from_reference) == (offered.to_reference, offered.from_reference)


@needs_int8
def test_what_a_verdict_prefers_does_not_decide_the_ranges(sample_pair: WeightsPair, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(12)]
    write_folder(tmp_path / "in", names, height=SIDE, width=SIDE)
    source = open_source(str(tmp_path / "in"), stain="cd68")
    made = []
    for number, preferred in enumerate(((), ("t7", "t3"))):
        own = Tiles(source=source, listing=source.scan(), stain=find_stain("cd68"), preferred=preferred)
        fresh = EngineStore(tmp_path / f"home{number}")
        pairs = build_pairs(
            sample_pair, BACKEND, fresh, height=SIDE, width=SIDE, tiles=own, eps=0.9, precisions=["int8"]
        )
        made.append(pairs[0].to_reference)
    assert made[0] == made[1]


@needs_int8
def test_drawn_tissue_gives_no_ranges_for_other_pairs(store: EngineStore) -> None:
    pair = find_weights("pas", "cd68", weight_roots())
    source, said = SampleSet(), list[str]()
    drawn = Tiles(source=source, listing=source.scan(), stain=find_stain("cd68"))
    made = build_pairs(pair, BACKEND, store, height=SIDE, width=SIDE, tiles=drawn, eps=0.5, on_note=said.append)
    assert "int8" not in {each.precision for each in made}
    again = build_pairs(
        pair, BACKEND, store, height=SIDE, width=SIDE, tiles=drawn, eps=0.5, measure_again=True, on_note=said.append
    )
    assert "int8" not in {each.precision for each in again}
    assert any("without int8: its ranges are measured on tiles of your own" in line for line in said)
    with pytest.raises(SpecError, match="tiles of your own"):
        build_pairs(pair, BACKEND, store, height=SIDE, width=SIDE, tiles=drawn, eps=0.5, precisions=["int8"])


@needs_int8
def test_a_store_that_cannot_be_written_does_without_int8(
    sample_pair: WeightsPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EngineStore(tmp_path / "engines")
    build_pairs(sample_pair, BACKEND, store, height=SIDE, width=SIDE, tiles=tiles())

    def refuse(*_: object, **__: object) -> None:
        raise EngineError("cannot write the engine store: read-only file system")

    monkeypatch.setattr(EngineStore, "write_record", refuse)
    monkeypatch.setattr(EngineStore, "build", refuse)
    said: list[str] = []
    assert "int8" not in build(sample_pair, store, 0.3, on_note=said.append)
    assert any("without int8: cannot write" in line for line in said)


@needs_int8
def test_everything_known_reads_no_tile(
    sample_pair: WeightsPair, store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(sample_pair, store, 0.3)

    def read(*_: object) -> None:
        raise AssertionError("a tile was read")

    monkeypatch.setattr(Tiles, "each", read)
    assert "int8" in build(sample_pair, store, 0.3)


@needs_int8
def test_without_building_only_what_is_there_is_taken(sample_pair: WeightsPair, tmp_path: Path) -> None:
    store = EngineStore(tmp_path / "engines")
    build_pairs(sample_pair, BACKEND, store, height=SIDE, width=SIDE, tiles=tiles())
    assert "int8" not in build(sample_pair, store, 0.3, may_build=False)
    with pytest.raises(EngineError, match="not measured on this source"):
        build(sample_pair, store, 0.3, may_build=False, precisions=["int8"])


def test_a_machine_without_it_refuses_it_by_name(sample_pair: WeightsPair, store: EngineStore) -> None:
    with pytest.raises(SpecError, match="int8 cannot be taken: this CPU is old"):
        build(sample_pair, store, 0.3, precisions=["int8"], backend=OldCpu())
    assert "int8" not in build(sample_pair, store, 0.3, backend=OldCpu())


@needs_int8
def test_every_pair_that_fits_is_timed_once(sample_pair: WeightsPair, store: EngineStore) -> None:
    first = build(sample_pair, store, 0.3)
    assert all(pair.seconds and pair.seconds > 0 for pair in first.values())
    said: list[str] = []
    assert build(sample_pair, store, 0.3, on_note=said.append) == first
    assert said == []


def test_the_squares_of_the_errors_tell_how_many_blocks_to_leave_out() -> None:
    blocks = tuple((0, f"model.{number}") for number in range(4))
    dear = Sensitivity(blocks=blocks, sigmas=(0.004, 0.003, 0.002, 0.002))
    assert _first_rung(dear, 0.0, 0.0045) == 1
    assert _first_rung(dear, 0.0, 0.003) == 2
    assert _first_rung(dear, 0.0, 1e-6) == 3
    assert _first_rung(dear, 0.002, 0.0045) == 1
