"""docs/notes/results.md says what the probes of the real fields found: its table against docs/results/probe-*.json."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.docs_tables import DOCS, Found, numbers, row, two

PROBES = ("probe-cd34", "probe-cd68-centre", "probe-cd68", "probe-cd68-field")
"""Column -> the names of the page's own folders."""


def at(found: Found, name: str, *sigmas: float) -> list[float]:
    """A measure under noise of some sigmas."""
    by_sigma = {point["noise"]["sigma"]: point for point in found["points"]}
    return [by_sigma[sigma][name] if name == "structure" else by_sigma[sigma]["noise"][name] for sigma in sigmas]


def over(values: list[float], base: float) -> list[float]:
    return [value / base for value in values]


def percent(value: float) -> str:
    return f"{100 * value:.1f}" if value > 0.02 else f"{100 * value:.2f}"


def wiped(found: Found, name: str) -> list[str]:
    (seen,) = (each for each in found["wiped"] if each["name"].startswith(name))
    lost = round(seen["lost"], 4) + 0.0  # no -0.0000
    return [f"{lost:.4f}", f"{seen['marker_dice']:.2f}"]


def equivalent(found: Found) -> list[str]:
    (cost,) = (each["budget"] for each in found["costs"] if each["precision"] == "bfloat16")
    return [f"{cost['equivalent_sigma']:.4f}"]


ROWS: dict[str, Callable[[Found], list[str]]] = {
    "eps by the label-free rule": lambda f: [f"{f['choice']['eps']:g}"] if f["choice"]["eps"] else [],
    "marker Dice without noise |": lambda f: two(f["markers"]["dice"]),
    "marker area: real /": lambda f: [percent(f["markers"][name]) for name in ("area", "area_reconstructed")],
    "two draws agree at sigma 0.01, 0.05, 0.1, 0.2": lambda f: two(*at(f, "agreement", 0.01, 0.05, 0.1, 0.2, 0.3)),
    "at 0.2 over that at 0.01": lambda f: two(*over(at(f, "agreement", 0.2), *at(f, "agreement", 0.01))),
    "two draws of noise of 0.2": lambda f: two(f["control"]["agreement"]),
    "Dice of one draw with the source": lambda f: two(*at(f, "faithful", 0.05, 0.2)),
    "marker area over the source's": lambda f: two(*over(at(f, "area", 0.05, 0.1, 0.2, 0.3), f["markers"]["area"])),
    "structure of the counterstain": lambda f: two(f["structure"]),
    "share of it left": lambda f: two(*over(at(f, "structure", 0.05, 0.1, 0.2, 0.3), f["structure"])),
    "response to noise": lambda f: [f"{each:.3f}" for each in at(f, "response", 0.01, 0.05, 0.1, 0.2, 0.3)],
    "its integral": lambda f: [f"{f['response_integral']:.4f}"],
    "markers stand out by": lambda f: [f"{f['markers'][name]:.0f}" for name in ("contrast", "contrast_hidden")],
    "bfloat16's error": equivalent,
    "error added": lambda f: wiped(f, "8 bits"),
    "after JPEG": lambda f: wiped(f, "JPEG"),
    "after a blur": lambda f: wiped(f, "blur"),
    "A' over real PAS": lambda f: [f"{f['excess'][name]:.1f}" for name in ("fine_db", "peak_db")],
    "cycle error, L1": lambda f: [f"{f['cycle']['l1']:.3f}"],
}


def found_by(probe: str) -> Found:
    found: Found = json.loads((DOCS / "results" / f"{probe}.json").read_text())
    return found


@pytest.mark.parametrize("start", ROWS)
def test_the_real_fields_table_says_what_was_found(start: str) -> None:
    cells = row((DOCS / "notes/results.md").read_text(encoding="utf-8"), start)[1:]
    assert [numbers(cell) for cell in cells] == [ROWS[start](found_by(probe)) for probe in PROBES]


def test_the_real_fields_verdicts_are_those_of_the_probes() -> None:
    cells = row((DOCS / "notes/results.md").read_text(encoding="utf-8"), "**verdict**")[1:]
    assert [cell.strip("*").partition("*")[0] for cell in cells] == [
        found_by(probe)["verdict"]["word"].partition(" (")[0] for probe in PROBES
    ]
