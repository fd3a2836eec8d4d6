"""Which variant of which source a sample is."""

from __future__ import annotations

from typing import Any

import pytest

from augengine.errors import ContentError
from augengine.shards.origin import Origin


@pytest.mark.parametrize(
    ("meta", "origin"),
    [
        ({}, Origin(source_key="k")),
        ({"mpp": 0.5, "patient": "anna"}, Origin(source_key="k")),
        ({"source_key": "s", "variant": 3, "variants": 4}, Origin(source_key="s", variant=3, written=4)),
        ({"source_key": None, "variant": None, "variants": None}, Origin(source_key="k")),
        ({"variants": "many"}, Origin(source_key="k")),
    ],
)
def test_a_json_says_it_or_the_sample_is_a_source(meta: dict[str, Any], origin: Origin) -> None:
    assert Origin.read(meta, "k") == origin


@pytest.mark.parametrize(
    "meta", [{"variant": -1}, {"variant": "1"}, {"variant": 1.0}, {"variant": True}, {"source_key": 7}]
)
def test_other_types_are_refused(meta: dict[str, Any]) -> None:
    with pytest.raises(ContentError, match="it says that it is variant"):
        Origin.read(meta, "k")


def test_a_source_with_no_variant_written_passed_through() -> None:
    assert Origin.read({"source_key": "s", "variant": 0, "variants": 0}, "k").passed
    assert not Origin.read({"source_key": "s", "variant": 0, "variants": 2}, "k").passed
    assert not Origin.read({}, "k").passed
