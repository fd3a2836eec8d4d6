"""The contract of every chain, as a class to inherit. The engines are small functions, see `array_engines`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from augengine.chain.base import Chain, ChainSpec, Outcome, Request, Translators, Variants
from augengine.draws.noise import draw_sigma, unit_noise
from augengine.engines.base import Array
from augengine.errors import AugengineError, ChainError, EngineError, SpecError
from augengine.sample import Failure
from tests.support.array_engines import SIDE, ArrayEngine, Function, blur, identity, pair, shift_left, swap_colours
from tests.support.chain_requests import SEED, VANISHING, images_of, levels_apart, picture, request, requests, spec


def nan_if_bright(x: Array) -> Array:
    """One bad number in each image that is bright on the whole, nothing in others."""
    y = x.copy()
    y[x.mean(axis=(1, 2, 3)) > 0.5, 1, 3, 5] = float("nan")
    return y


def inf_if_bright(x: Array) -> Array:
    """The same with another bad number."""
    y = x.copy()
    y[x.mean(axis=(1, 2, 3)) > 0.5, 1, 3, 5] = float("-inf")
    return y


def fail_in_our_way(x: Array) -> Array:
    raise EngineError("the engine ran out of ink", hint="refill it")


def fail_in_a_foreign_way(x: Array) -> Array:
    raise ZeroDivisionError("no ink at all")


def through(chain: Chain, asked: list[Request]) -> list[Outcome]:
    """Everything through a chain, as full batches, one after the other."""
    outcomes: list[Outcome] = []
    for start in range(0, len(asked), chain.batch):
        chain.put(asked[start : start + chain.batch])
        outcomes += chain.get()
    return outcomes


class ChainRules:
    """What holds for every chain, with engines or without; inherit it and say how a chain is made."""

    def make_any(self, chain_spec: ChainSpec) -> Chain:
        raise NotImplementedError

    @contextmanager
    def opened(self, chain_spec: ChainSpec) -> Iterator[Chain]:
        with closing(self.make_any(chain_spec)) as chain:
            yield chain

    def outcomes(self, chain_spec: ChainSpec, asked: list[Request]) -> list[Outcome]:
        """Everything through one chain, as full batches, one after the other."""
        with self.opened(chain_spec) as chain:
            return through(chain, asked)

    def test_outcomes_come_in_the_order_of_the_requests(self) -> None:
        outcomes = self.outcomes(spec(), requests(7))
        assert [outcome.key for outcome in outcomes] == [f"k{i}" for i in range(7)]

    def test_a_variant_does_not_depend_on_its_batch(self) -> None:
        asked = requests(6)
        alone = self.outcomes(spec(batch=1), asked)
        together = self.outcomes(spec(batch=4), asked)
        backwards = self.outcomes(spec(batch=5), asked[::-1])[::-1]
        for a, b, c in zip(alone, together, backwards, strict=True):
            assert levels_apart(images_of(a), images_of(b)) == 0
            assert levels_apart(images_of(a), images_of(c)) == 0

    def test_the_first_variant_is_the_same_however_many_there_are(self) -> None:
        one, three = (self.outcomes(spec(variants=k), requests(2)) for k in (1, 3))
        for a, b in zip(one, three, strict=True):
            assert levels_apart(images_of(a)[0], images_of(b)[0]) == 0
            assert levels_apart(images_of(b)[0], images_of(b)[1]) > 0

    def test_bad_images_are_named_and_their_neighbours_go_through(self) -> None:
        good = requests(4)
        truncated = Request(key="short", image=good[0].image[:200])
        garbage = Request(key="garbage", image=b"no picture")
        empty = Request(key="empty", image=b"")
        mixed = [garbage, good[0], truncated, good[1], good[2], empty, good[3]]
        outcomes = self.outcomes(spec(), mixed)
        assert [outcome.key for outcome in outcomes] == [each.key for each in mixed]
        assert [o.key for o in outcomes if isinstance(o, Failure) and o.reason] == ["garbage", "short", "empty"]
        clean = self.outcomes(spec(), good)
        for a, b in zip([o for o in outcomes if isinstance(o, Variants)], clean, strict=True):
            assert levels_apart(images_of(a), images_of(b)) == 0

    @pytest.mark.parametrize(("height", "width"), [(SIDE + 1, SIDE), (4, SIDE + 1)])
    def test_an_image_larger_than_the_engines_is_a_named_failure(self, height: int, width: int) -> None:
        large, fits = self.outcomes(spec(), [request("large", picture(0, height, width)), requests(1)[0]])
        assert isinstance(large, Failure)
        assert large.key == "large"
        assert f"{width} x {height}" in large.reason
        assert isinstance(fits, Variants)

    def test_a_batch_of_bad_images_alone_keeps_its_turn(self) -> None:
        bad = [Request(key="bad", image=b"no picture")]
        with self.opened(spec()) as chain:
            queue = [requests(1), bad, requests(2)]
            keys = []
            for start in range(0, len(queue), chain.depth):
                part = queue[start : start + chain.depth]
                for batch in part:
                    chain.put(batch)
                keys += [[outcome.key for outcome in chain.get()] for _ in part]
        assert keys == [["k0"], ["bad"], ["k0", "k1"]]

    def test_results_stay_when_later_batches_are_made(self) -> None:
        with self.opened(spec()) as chain:
            chain.put(requests(1))
            (first,) = chain.get()
            kept = images_of(first).copy()
            for seed in range(4):
                chain.put([request("other", picture(seed + 50))])
                chain.get()
        assert levels_apart(images_of(first), kept) == 0

    def test_one_batch_more_than_it_is_deep_is_refused(self) -> None:
        with self.opened(spec()) as chain:
            for _ in range(chain.depth):
                chain.put(requests(1))
            with pytest.raises(ChainError, match="under way"):
                chain.put(requests(1))
            assert [len(chain.get()) for _ in range(chain.depth)] == [1] * chain.depth

    @pytest.mark.parametrize("count", [0, 5])
    def test_a_batch_of_another_size_than_agreed_is_refused(self, count: int) -> None:
        with self.opened(spec(batch=4)) as chain, pytest.raises(SpecError, match=f"{count} requests"):
            chain.put(requests(count))

    def test_nothing_can_be_got_that_was_not_put(self) -> None:
        with self.opened(spec()) as chain, pytest.raises(ChainError, match="under way"):
            chain.get()

    def test_closing_twice_or_with_work_under_way_is_fine(self) -> None:
        chain = self.make_any(spec())
        chain.put(requests(2))
        chain.close()
        chain.close()
        with pytest.raises(AugengineError, match="closed"):
            chain.put(requests(1))


class ChainContract(ChainRules):
    """Inherit it and say how a chain is made; ``device`` is where the engines' arrays live."""

    device = "cpu"

    def make_any(self, chain_spec: ChainSpec) -> Chain:
        return self.make(self.pair(blur, swap_colours), chain_spec)

    def make(self, translators: Translators, chain_spec: ChainSpec) -> Chain:
        raise NotImplementedError

    def pair(self, there: Function = identity, back: Function = identity, *, batch: int = 3) -> Translators:
        return pair(there, back, device=self.device, batch=batch)

    def pair_with(self, where: str, function: Function) -> Translators:
        """An identity pair but for the engine ``there`` or ``back``."""
        return self.pair(function) if where == "there" else self.pair(back=function)

    @contextmanager
    def open(self, translators: Translators, chain_spec: ChainSpec) -> Iterator[Chain]:
        with closing(self.make(translators, chain_spec)) as chain:
            yield chain

    def run(self, translators: Translators, chain_spec: ChainSpec, asked: list[Request]) -> list[Outcome]:
        """Everything through one chain over these engines."""
        with self.open(translators, chain_spec) as chain:
            return through(chain, asked)

    def test_identity_engines_and_a_vanishing_sigma_give_the_image_back(self) -> None:
        image = picture(1)
        (outcome,) = self.run(self.pair(), spec(eps=VANISHING), [request("a", image)])
        for variant in images_of(outcome):
            assert levels_apart(variant, image) <= 1

    def test_smaller_images_come_back_in_their_own_size(self) -> None:
        asked = [picture(i, height, width) for i, (height, width) in enumerate([(SIDE, 9), (3, SIDE), (1, 1), (17, 5)])]
        outcomes = self.run(self.pair(), spec(eps=VANISHING), [request(f"k{i}", im) for i, im in enumerate(asked)])
        for image, outcome in zip(asked, outcomes, strict=True):
            assert images_of(outcome).shape == (2, *image.shape)
            assert levels_apart(images_of(outcome)[1], image) <= 1

    def test_right_of_an_image_lies_its_reflection(self) -> None:
        image = picture(2, SIDE, 20)
        (outcome,) = self.run(self.pair(shift_left), spec(eps=VANISHING), [request("a", image)])
        expected = np.pad(image, ((0, 0), (0, 4), (0, 0)), mode="reflect")[:, 4:]
        assert levels_apart(images_of(outcome)[0], expected) <= 1

    @pytest.mark.parametrize(("height", "width"), [(SIDE, SIDE), (21, 30)])
    def test_the_noise_is_the_keyed_noise_of_the_images_own_pixels(self, height: int, width: int) -> None:
        image = picture(3, height, width)
        (outcome,) = self.run(self.pair(), spec(variants=3), [request("a", image)])
        assert isinstance(outcome, Variants)
        for variant, (sigma, got) in enumerate(zip(outcome.sigmas, outcome.images_khwc, strict=True), start=1):
            noise = unit_noise(SEED, "a", variant, height, width).transpose(1, 2, 0)
            expected = np.rint(np.clip(image + 127.5 * sigma * noise, 0, 255))
            assert levels_apart(got, expected) <= 1
            assert levels_apart(got, image) > 1

    def test_the_sigmas_are_the_keyed_draws(self) -> None:
        for outcome in self.run(self.pair(), spec(eps=0.3, variants=3), requests(3)):
            assert isinstance(outcome, Variants)
            assert outcome.sigmas == tuple(draw_sigma(0.3, SEED, outcome.key, variant) for variant in (1, 2, 3))

    def test_a_code_smaller_than_eight_bits_survives_between_the_generators(self) -> None:
        image = picture(4)
        faint = self.pair(lambda x: x * 1e-4, lambda x: x * 1e4)
        (outcome,) = self.run(faint, spec(eps=1e-9), [request("a", image)])
        assert levels_apart(images_of(outcome)[0], image) <= 1

    def test_nothing_is_clamped_between_the_generators(self) -> None:
        image = picture(5)
        loud = self.pair(lambda x: x * 50, lambda x: x / 50)
        (outcome,) = self.run(loud, spec(eps=VANISHING), [request("a", image)])
        assert levels_apart(images_of(outcome)[0], image) <= 1

    def test_values_beyond_the_range_saturate(self) -> None:
        image = np.where(picture(6) < 128, 30, 220).astype(np.uint8)
        (outcome,) = self.run(self.pair(back=lambda x: x * 100), spec(eps=VANISHING), [request("a", image)])
        assert levels_apart(images_of(outcome)[0], np.where(image == 30, 0, 255)) == 0

    @pytest.mark.parametrize("where", ["there", "back"])
    @pytest.mark.parametrize("function", [nan_if_bright, inf_if_bright])
    def test_numbers_that_are_not_finite_fail_their_own_sample_alone(self, where: str, function: Function) -> None:
        engines = self.pair_with(where, function)
        asked = [requests(1)[0], request("bright", np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)), requests(2)[1]]
        before, bright, after = self.run(engines, spec(eps=0.01), asked)
        assert isinstance(bright, Failure)
        assert bright.key == "bright"
        assert "finite" in bright.reason
        assert isinstance(before, Variants)
        assert isinstance(after, Variants)

    def test_numbers_that_only_the_second_engine_hides_fail_too(self) -> None:
        engines = self.pair(inf_if_bright, lambda x: x.clip(-1, 1))
        (outcome,) = self.run(engines, spec(), [request("bright", np.full((SIDE, SIDE, 3), 255, dtype=np.uint8))])
        assert isinstance(outcome, Failure)

    @pytest.mark.parametrize("where", ["there", "back"])
    def test_an_engines_error_surfaces_as_itself_and_ends_the_chain(self, where: str) -> None:
        with self.open(self.pair_with(where, fail_in_our_way), spec()) as chain:
            chain.put(requests(2))
            with pytest.raises(EngineError, match=r"^the engine ran out of ink$") as caught:
                chain.get()
            assert caught.value.hint == "refill it"
            with pytest.raises(ChainError, match="ran out of ink"):
                chain.put(requests(1))
            with pytest.raises(ChainError, match="ran out of ink"):
                chain.get()

    def test_a_foreign_error_in_an_engine_is_translated_and_named(self) -> None:
        with self.open(self.pair(fail_in_a_foreign_way), spec()) as chain:
            chain.put(requests(2))
            with pytest.raises(ChainError, match="ZeroDivisionError: no ink at all") as caught:
                chain.get()
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    @pytest.mark.parametrize("variants", [1, 3])
    def test_a_sample_costs_one_pass_and_one_more_a_variant(self, variants: int) -> None:
        engines = self.pair()
        self.run(engines, spec(variants=variants), requests(5))
        assert isinstance(engines.to_reference, ArrayEngine)
        assert isinstance(engines.from_reference, ArrayEngine)
        assert (engines.to_reference.passes, engines.from_reference.passes) == (5, 5 * variants)

    def test_as_many_batches_as_it_is_deep_may_be_under_way(self) -> None:
        asked = [[request(f"{i}-{j}", picture(i)) for j in range(1 + i % 4)] for i in range(9)]
        with self.open(self.pair(), spec(eps=VANISHING)) as chain:
            outcomes = []
            for turn in range(len(asked) + chain.depth):
                if turn >= chain.depth:
                    outcomes.append(chain.get())
                if turn < len(asked):
                    chain.put(asked[turn])
        assert [[o.key for o in batch] for batch in outcomes] == [[r.key for r in batch] for batch in asked]
        for i, batch in enumerate(outcomes):
            assert all(levels_apart(images_of(o)[0], picture(i)) <= 1 for o in batch)
