"""Philox4x32-10 against its published known answers, and what is built on it."""

from __future__ import annotations

import numpy as np
import pytest

from augengine.draws.philox import Stream, derive_key, draw_uniform, philox4x32, uniform

# (counter, key) -> output, from the known-answer file of Random123.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_published_answers_come_out(counter: str, key: str, answer: str) -> None:
    c0, c1, c2, c3 = (np.array([word], dtype=np.uint32) for word in words(counter))
    low, high = words(key)
    assert [int(word[0]) for word in philox4x32((c0, c1, c2, c3), low | high << 32)] == words(answer)


def test_arrays_give_what_their_elements_give() -> None:
    x, y = np.arange(5, dtype=np.uint32).reshape(1, 5), np.arange(3, dtype=np.uint32).reshape(3, 1)
    variant, stream = np.array([7], dtype=np.uint32), np.array([2], dtype=np.uint32)
    together = philox4x32((x, y, variant, stream), 12345)
    assert all(word.shape == (3, 5) and word.dtype == np.uint32 for word in together)
    alone = philox4x32((x[:, 4], y[2], variant, stream), 12345)
    assert [int(word[2, 4]) for word in together] == [int(word[0]) for word in alone]


def test_the_counter_is_left_as_it_was() -> None:
    counter = tuple(np.full(4, i, dtype=np.uint32) for i in range(4))
    philox4x32(counter, 1)  # type: ignore[arg-type]
    assert [word.tolist() for word in counter] == [[i] * 4 for i in range(4)]


def test_uniforms_reach_one_and_never_zero() -> None:
    ends = uniform(np.array([0, 255, 256, 2**32 - 1], dtype=np.uint32))
    assert ends.tolist() == [2.0**-24, 2.0**-24, 2.0**-23, 1.0]


def test_keys_differ_with_seed_and_sample() -> None:
    pairs = [(seed, sample) for seed in (0, 1, 11, 2**63 - 1) for sample in ("", "1", "a", "b", "11", "ä")]
    keys = {derive_key(seed, sample) for seed, sample in pairs}
    assert len(keys) == len(pairs)
    assert all(0 <= key < 2**64 for key in keys)


def test_draws_differ_with_everything_they_are_for() -> None:
    changed = [(1, 1, Stream.SIGMA, 0), (2, 1, Stream.SIGMA, 0), (1, 2, Stream.SIGMA, 0)]
    changed += [(1, 1, Stream.ONLINE, 0), (1, 1, Stream.SIGMA, 1)]
    assert len({draw_uniform(*arguments) for arguments in changed}) == len(changed)
    assert draw_uniform(*changed[0]) == draw_uniform(*changed[0])
