"""Json to values and back: what a stranger wrote is refused by the path of its field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest

from augengine.errors import SpecError
from augengine.json_values import Count, from_json, parse_json, to_json


class Corner(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    count: Count
    corners: tuple[Corner, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a part has a name", hint="give it one")
        if self.count == 13:
            raise SpecError(f"not 13 of {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    parts: tuple[Part, ...]
    kind: Literal["a", "b"] = "a"
    by_number: Mapping[int, float] = field(default_factory=dict)
    anything: Mapping[str, Any] = field(default_factory=dict)
    maybe: Part | None = None


SOUND = Whole(
    parts=(Part(name="one", count=1, corners=(Corner(1, 2),)), Part(name="two", count=0)),
    by_number={3: 0.5},
    anything={"deep": {"er": [1, None, True]}},
    maybe=Part(name="three", count=3),
)


def test_a_value_survives_json() -> None:
    assert from_json(Whole, parse_json(json.dumps(to_json(SOUND)).encode())) == SOUND


def test_plain_values_are_lists_and_dicts_with_texts_as_names() -> None:
    plain = to_json(SOUND)
    assert plain["parts"][0] == {"name": "one", "count": 1, "corners": [[1, 2]]}
    assert plain["by_number"] == {"3": 0.5}
    odd = {"frozen": MappingProxyType({"n": np.int64(3)}), "mean": np.float32(0.5)}
    assert to_json(odd) == {"frozen": {"n": 3}, "mean": 0.5}
    with pytest.raises(TypeError, match="object has no form in json"):
        to_json(object())


def test_what_json_cannot_say_is_none() -> None:
    assert to_json([math.nan, math.inf, -math.inf, 1.5]) == [None, None, None, 1.5]


WRONG: dict[str, tuple[Any, str]] = {
    "missing": ({}, "object missing required field parts"),
    "a list": ([], "expected object, got array"),
    "null": (None, "expected object, got null"),
    "text for a number": ({"parts": [{"name": "x", "count": "3"}]}, "parts[0].count: expected int, got str"),
    "half a number": ({"parts": [{"name": "x", "count": 1.5}]}, "parts[0].count: expected int, got float"),
    "true for a number": ({"parts": [{"name": "x", "count": True}]}, "parts[0].count: expected int, got bool"),
    "below 0": ({"parts": [{"name": "x", "count": -1}]}, "parts[0].count: expected int >= 0"),
    "number for a text": ({"parts": [{"name": 3, "count": 1}]}, "parts[0].name: expected str, got int"),
    "not one of them": ({"parts": [], "kind": "c"}, "kind: invalid enum value 'c'"),
    "a name that is no number": ({"parts": [], "by_number": {"x": 1}}, "a name in by_number: expected int, got str"),
    "too short": ({"parts": [{"name": "x", "count": 1, "corners": [[1]]}]}, "parts[0].corners[0]: expected"),
    "own check": ({"parts": [{"name": "", "count": 1}]}, "parts[0]: a part has a name"),
    "own check of odd text": ({"parts": [{"name": "a - at `b`", "count": 13}]}, "parts[0]: not 13 of a - at b"),
    "unknown": ({"parts": [], "more": 1}, "more: this version knows no such field"),
    "unknown below": ({"parts": [{"name": "x", "count": 1, "n": 2}]}, "parts[0].n: this version knows no such field"),
    "unknown in an optional one": ({"parts": [], "maybe": {"name": "x", "count": 1, "n": 2}}, "maybe.n: this version"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_refused_by_its_path(case: str) -> None:
    data, said = WRONG[case]
    with pytest.raises(SpecError) as refused:
        from_json(Whole, data)
    assert refused.value.message.startswith(said)


def test_a_part_of_a_larger_value_is_named_by_the_whole_path() -> None:
    for data, said in (
        ({}, "parts[0]: object missing"),
        ([], "parts[0]: expected object"),
        ({"x": 1}, "parts[0]: obj"),
    ):
        with pytest.raises(SpecError) as refused:
            from_json(Part, data, at="parts[0]")
        assert refused.value.message.startswith(said)


def test_the_hint_of_a_values_own_check_is_kept() -> None:
    with pytest.raises(SpecError) as refused:
        from_json(Whole, {"parts": [{"name": "", "count": 1}]})
    assert refused.value.hint == "give it one"


def test_another_format_is_refused_before_its_fields() -> None:
    with pytest.raises(SpecError, match="it has format 2, this version reads 1"):
        from_json(Whole, {"format": 2}, version=1)
    with pytest.raises(SpecError, match="it has format None"):
        from_json(Whole, to_json(SOUND), version=1)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{} {}", b'{"a": NaN}', b'{"a": 1e999}', b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(SpecError, match="it is no json"):
        parse_json(text)


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"a":' * 200_000])
def test_brackets_that_nest_without_end_are_refused(text: bytes) -> None:
    with pytest.raises(SpecError, match="too deeply"):
        parse_json(text)


@pytest.mark.parametrize("depth", [100, 900, 5000, 100_000])
def test_a_field_that_nests_deeply_is_kept_or_refused(depth: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    for data in ({"parts": [], "anything": {"a": deep}}, {"parts": [], "more": deep}, {"parts": deep}):
        with suppress(SpecError):
            assert from_json(Whole, data).anything["a"] is deep
