"""The noise budget: laws of the equivalent sigma, and the budget of real generators."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines.base import Engine, EngineSpec, Manifest
from augengine.engines.fidelity import SIGMAS, Budget, Judge, equivalent_sigma
from augengine.errors import EngineError, SpecError
from augengine.json_values import to_json
from augengine.spec import Precision
from augengine.weights.cards import find_weights
from augengine.weights.home import weight_roots
from tests.support.engine_contract import Images

SIDE = 64


@dataclass
class ArrayEngine:
    """An engine made of one NumPy function."""

    function: Callable[[Images], Images]
    height: int = SIDE
    width: int = SIDE
    batch: int = 2
    device: str = "cpu"

    def __call__(self, x_nchw: Images, out_nchw: Images, *, stream: int = 0) -> None:
        assert len(x_nchw) <= self.batch
        out_nchw[...] = self.function(x_nchw)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Pair:
    to_reference: Engine
    from_reference: Engine


def pair_of(to_reference: Callable[[Images], Images], from_reference: Callable[[Images], Images]) -> Pair:
    return Pair(ArrayEngine(to_reference), ArrayEngine(from_reference))


def identity(x: Images) -> Images:
    return x


def perturbed(sigma: float) -> Callable[[Images], Images]:
    """Return the input with an error of this deviation that is no function of our keyed noise."""

    def function(x: Images) -> Images:
        return x + np.random.default_rng(7).normal(0, sigma, x.shape).astype(np.float32)

    return function


def draw_tiles(n: int = 3) -> Images:
    return np.random.default_rng(0).uniform(-1, 1, (n, 3, SIDE, SIDE)).astype(np.float32)


EXACT = pair_of(identity, identity)


def make_budget(precision: Precision = "bfloat16", sigma: float = 0.003) -> Budget:
    return Budget(
        precision=precision,
        tiles=2,
        height=SIDE,
        width=SIDE,
        surrogate=True,
        error_a=0.002,
        error_chain=0.0024,
        error_chain_range=(0.002, 0.003),
        sigmas=SIGMAS,
        response=(0.0022, 0.0083, 0.034),
        equivalent_sigma=sigma,
        equivalent_sigma_range=(sigma / 2, sigma),
    )


def test_exact_engines_spend_nothing() -> None:
    budget = Judge(EXACT, draw_tiles()).budget(EXACT, "float16")
    assert (budget.error_a, budget.error_chain, budget.equivalent_sigma) == (0, 0, 0)
    assert budget.tiles == 3
    assert budget.fits(1e-6)


@pytest.mark.parametrize("sigma", [0.0004, 0.0025, 0.006, 0.03])
def test_an_error_like_noise_of_a_sigma_is_found_to_equal_that_sigma(sigma: float) -> None:
    budget = Judge(EXACT, draw_tiles()).budget(pair_of(perturbed(sigma), identity), "float16")
    assert budget.equivalent_sigma == pytest.approx(sigma, rel=0.02)
    assert budget.error_a == pytest.approx(sigma, rel=0.02)
    low, high = budget.equivalent_sigma_range
    assert low <= budget.equivalent_sigma <= high
    assert budget.response == pytest.approx(SIGMAS, rel=0.02)


def test_the_error_is_weighed_by_what_the_chain_does_with_noise() -> None:
    # A chain that halves noise hides half of an error of A', so the equivalent sigma stays.
    halving = pair_of(identity, lambda x: x * np.float32(0.5))
    low = pair_of(perturbed(0.004), lambda x: x * np.float32(0.5))
    budget = Judge(halving, draw_tiles()).budget(low, "float16")
    assert budget.error_chain == pytest.approx(0.002, rel=0.02)
    assert budget.equivalent_sigma == pytest.approx(0.004, rel=0.02)


def test_a_constant_shift_in_the_second_generator_counts() -> None:
    budget = Judge(EXACT, draw_tiles()).budget(pair_of(identity, lambda x: x + np.float32(0.01)), "float16")
    assert budget.error_a == 0
    assert budget.equivalent_sigma == pytest.approx(0.01, rel=0.02)


def test_an_error_beyond_the_curve_is_infinite_and_null_in_json() -> None:
    budget = Judge(EXACT, draw_tiles()).budget(pair_of(perturbed(0.2), identity), "float16")
    assert budget.equivalent_sigma == math.inf
    assert json.loads(json.dumps(to_json(budget), allow_nan=False))["equivalent_sigma"] is None
    assert Budget.from_json(json.loads(json.dumps(to_json(budget)))) == budget
    assert not budget.fits(2)


def test_a_candidate_that_gives_nan_is_refused_not_hidden() -> None:
    broken = pair_of(lambda x: x * np.float32(np.nan), identity)
    budget = Judge(EXACT, draw_tiles()).budget(broken, "float16")
    assert budget.error_chain == budget.equivalent_sigma == math.inf
    assert Budget.from_json(json.loads(json.dumps(to_json(budget), allow_nan=False))) == budget


def test_a_reference_that_gives_nan_is_an_error() -> None:
    with pytest.raises(EngineError, match="non-finite"):
        Judge(pair_of(identity, lambda x: x * np.float32(np.nan)), draw_tiles()).budget(EXACT, "float16")


def test_a_pair_that_does_not_react_to_noise_runs_in_float32() -> None:
    deaf = pair_of(identity, lambda x: np.zeros_like(x) + x.mean())
    low = pair_of(identity, lambda x: np.zeros_like(x) + x.mean() + np.float32(1e-5))
    budget = Judge(deaf, draw_tiles(2)).budget(low, "bfloat16")
    assert not budget.responds
    assert not budget.fits(0.9)
    assert "hardly reacts" in budget.verdict(0.9)


def test_the_verdict_names_the_precision_the_sigma_and_the_side() -> None:
    assert "bfloat16 equals noise of sigma 0.003: within" in make_budget().verdict(0.05)
    assert "outside the budget of 0.001" in make_budget().verdict(0.01)
    assert "larger than noise of sigma 0.05" in make_budget(sigma=math.inf).verdict(0.05)


def test_a_larger_error_never_has_a_smaller_equivalent_sigma() -> None:
    bumpy = (0.003, 0.002, 0.034)
    sigmas = [equivalent_sigma(error, SIGMAS, bumpy) for error in np.geomspace(1e-6, 0.1, 200)]
    assert sigmas == sorted(sigmas)
    assert math.isfinite(sigmas[0])
    assert sigmas[-1] == math.inf


def test_the_curve_gives_back_its_own_points() -> None:
    response = (0.0022, 0.0083, 0.034)
    for sigma, error in zip(SIGMAS, response, strict=True):
        assert equivalent_sigma(error, SIGMAS, response) == pytest.approx(sigma)


@pytest.mark.parametrize(
    "change",
    [
        {"tiles": 0},
        {"sigmas": (0.01, 0.0025, 0.05)},
        {"response": (0.1,)},
        {"error_a": math.nan},
        {"equivalent_sigma": -1.0},
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        replace(make_budget(), **change)  # type: ignore[arg-type]


def test_no_tiles_are_refused() -> None:
    with pytest.raises(SpecError, match="tile"):
        Judge(EXACT, draw_tiles()[:0]).budget(EXACT, "float16")


def load_pair(folder: Path, precision: Precision, side: int) -> Pair:
    weights, backend = find_weights("pas", "cd68", weight_roots()), OpenVinoBackend()
    spec = EngineSpec(precision=precision, height=side, width=side)
    manifest = Manifest(weights_digest="", backend="openvino", backend_version="", device_class="", spec=spec)
    engines = []
    for onnx_file in (weights.to_reference, weights.from_reference):
        (place := folder / f"{onnx_file.stem}-{precision}").mkdir()
        backend.build(onnx_file, spec, place)
        engines.append(backend.load(place, manifest, threads=2))
    return Pair(*engines)


def test_bfloat16_on_real_tissue_costs_a_small_and_measurable_sigma(shared_data: Path, tmp_path: Path) -> None:
    if "bfloat16" not in OpenVinoBackend().precisions():
        pytest.skip("this machine does not compute in bfloat16 natively")
    side = 128
    file = sorted((shared_data / "hannover" / "cd68_glomeruli_20x").glob("*.png"))[0]
    picture = np.asarray(Image.open(file).convert("RGB"), dtype=np.float32) / 127.5 - 1
    tiles = np.stack([picture[y : y + side, x : x + side] for y in (128, 256) for x in (128, 256)])
    exact, low = load_pair(tmp_path, "float32", side), load_pair(tmp_path, "bfloat16", side)
    budget = Judge(exact, np.ascontiguousarray(tiles.transpose(0, 3, 1, 2))).budget(low, "bfloat16")
    # In A' bfloat16 loses about a grey level, 0.002, and never as much as the noise of eps = 0.05.
    assert 1e-4 < budget.error_a < 0.02
    assert 1e-4 < budget.equivalent_sigma < 0.025
    assert list(budget.response) == sorted(budget.response)
    assert budget.fits(0.9)
    assert not budget.fits(0.0005)
