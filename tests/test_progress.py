"""Sizes and times in units that suit them."""

from __future__ import annotations

import pytest

from augengine.progress import readable_bytes, readable_seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (460_000, "460 kB"),
        (4.56e6, "4.56 MB"),
        (3.2e9, "3.2 GB"),
        (5e12, "5e+03 GB"),
    ],
)
def test_bytes_are_said_in_the_unit_that_suits_them(number: float, text: str) -> None:
    assert readable_bytes(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.066, "0.066 s"), (3.3, "3.3 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_times_are_said_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert readable_seconds(seconds) == text
