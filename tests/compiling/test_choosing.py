"""The choice between a stain's engines: what fits the noise, and is worth its error by the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augengine.chain.pair import EnginesSpec
from augengine.cli.results import rate_lines
from augengine.compiling import BuiltPair, choose_pair
from augengine.compiling.choosing import WORTH, with_rates
from augengine.engines.int8_form import Int8Convolution, Int8Form
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.json_values import from_json
from augengine.spec import Precision
from augengine.weights.cards import find_weights
from tests.engines.test_fidelity import make_budget

FORM = Int8Form(
    convolutions=(Int8Convolution(weight="model.10.conv_block.1.weight", peaks=(1.0, 2.5)),), others="bfloat16"
)


@pytest.fixture
def made(small_weights: Path) -> dict[Precision, BuiltPair]:
    exact = BuiltPair(
        weights=find_weights("pas", "cd68", [small_weights]),
        backend="openvino",
        precision="float32",
        height=64,
        width=64,
        to_reference="a",
        from_reference="b",
    )
    fast = replace(exact, precision="bfloat16", budget=make_budget("bfloat16", 0.002))
    faster = replace(
        exact,
        precision="int8",
        budget=make_budget("int8", 0.004),
        int8=(FORM, None),
        left_out=("from-reference model.11",),
    )
    return {"int8": faster, "bfloat16": fast, "float32": exact}


def choose(pairs: dict[Precision, BuiltPair], eps: float, **seconds: float | None) -> EnginesSpec:
    timed = [replace(pair, seconds=seconds[precision]) for precision, pair in pairs.items() if precision in seconds]
    return choose_pair(timed, eps)


@pytest.mark.parametrize(
    ("eps", "seconds", "chosen"),
    [
        (0.05, {"int8": 0.7, "bfloat16": 1.0, "float32": 5.0}, "int8"),
        (0.05, {"int8": 0.95, "bfloat16": 1.0, "float32": 5.0}, "bfloat16"),  # int8 gains too little
        (0.03, {"int8": 0.7, "bfloat16": 1.0, "float32": 5.0}, "bfloat16"),  # int8 costs too much
        (0.01, {"int8": 0.7, "bfloat16": 1.0, "float32": 5.0}, "float32"),
        (0.05, {"int8": 3.0, "bfloat16": 1.7, "float32": 1.0}, "float32"),  # tiles hidden by a virtual machine
        (0.05, {"int8": 0.9, "bfloat16": 2.0, "float32": 1.0}, "int8"),
        (0.05, {"int8": 1.0 / WORTH, "float32": 1.0}, "int8"),
        (0.05, {"int8": 1.001 / WORTH, "float32": 1.0}, "float32"),
        (0.05, {"bfloat16": None, "float32": None}, "bfloat16"),  # nobody timed them
    ],
)
def test_the_fastest_within_the_budget_is_taken_if_it_is_worth_it(
    made: dict[Precision, BuiltPair], eps: float, seconds: dict[str, float | None], chosen: str
) -> None:
    assert choose(made, eps, **seconds).precision == chosen


def test_what_is_asked_for_is_taken_whatever_the_clock_says(made: dict[Precision, BuiltPair]) -> None:
    for precision in made:
        chosen = choose_pair(list(made.values()), 1e-6, precision)
        assert (chosen.precision, "asked for" in chosen.why) == (precision, True)
    with pytest.raises(SpecError, match="float16 does not run here"):
        choose_pair(list(made.values()), 0.05, "float16")


def test_the_choice_says_why(made: dict[Precision, BuiltPair]) -> None:
    int8 = choose(made, 0.05, int8=0.7, bfloat16=1.0, float32=5.0)
    assert "within the budget" in int8.why
    assert "int8 in 1 residual block, all but from-reference model.11" in int8.why
    assert int8.int8 == (FORM, None)
    exact = choose(made, 0.05, bfloat16=0.95, float32=1.0)
    assert exact.why == "bfloat16 takes 0.95 of its time"


def test_a_plan_says_nothing_of_int8_where_there_is_none(made: dict[Precision, BuiltPair]) -> None:
    exact, int8 = (choose_pair(list(made.values()), 0.05, each) for each in ("float32", "int8"))
    assert "int8" not in exact.to_json()
    for each in (exact, int8):
        assert from_json(EnginesSpec, each.to_json()) == each


def test_build_engines_prints_what_was_timed(made: dict[Precision, BuiltPair]) -> None:
    timed = [replace(made["int8"], seconds=0.0204), replace(made["bfloat16"], seconds=0.027), made["float32"]]
    (line,) = rate_lines(timed)
    assert line.endswith("an image there and back takes int8 20 ms, bfloat16 27 ms")
    assert rate_lines([made["float32"]]) == []


def test_one_pair_that_fits_needs_no_clock(made: dict[Precision, BuiltPair], tmp_path: Path) -> None:
    said: list[str] = []
    pairs = with_rates(list(made.values()), EngineStore(tmp_path), 0.01, measure_again=True, note=said.append)
    assert (pairs, said) == (list(made.values()), [])
