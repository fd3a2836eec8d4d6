"""The table of limits: each constant has the value that the page states, and the test that trips it exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "reference/security.md").read_text(encoding="utf-8")
RATES = {"MAX_LARGE_SHARE", "MAX_UNPACKED_RATIO", "MAX_SIDE_PX"}
"""Not limits by themselves: they tell a bomb from a large picture, and how a thumbnail is drawn."""

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def rows() -> list[list[str]]:
    """What is limited, the limit's name, its value, its file and its test, for each line of the list."""
    text = PAGE.split("## The limits")[1].split("## ")[0]
    found = re.findall(r"^- (.+): ([\d.][^,]*), `(\w+)` in `([\w/.]+)`;\n  (`.+`)$", text, re.MULTILINE)
    assert len(found) == text.count("\n- ")
    return [[what, limit, value, file, test] for what, value, limit, file, test in found]


def stated(text: str) -> float:
    """A number as the page writes it: 64 KiB, 100 000 crossings, 1.01 times."""
    found = re.match(r"[\d ]*\d(\.\d+)?", text)
    assert found is not None
    unit = text[found.end() :].split()
    return float(found[0].replace(" ", "")) * UNITS.get(unit[0] if unit else "", 1)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[1]} of {row[3]}")
def test_a_limit_is_what_the_page_says_and_is_tripped_by_a_test(row: list[str]) -> None:
    _, limit, value, file, test = (cell.replace("`", "") for cell in row)
    module = import_module(f"augengine.{file.removesuffix('.py').replace('/', '.')}")
    assert getattr(module, limit) == stated(value)
    where, name = test.split(": ")
    assert f"def {name}(" in (ROOT / "tests" / Path(where)).read_text()


def test_every_limit_of_the_text_stands_in_the_table() -> None:
    text = PAGE.split("## The limits")[0]
    stated = {row[1].strip("`") for row in rows()}
    assert set(re.findall(r"`(MAX_[A-Z_]+)`", text)) <= stated | RATES
