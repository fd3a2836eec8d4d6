"""Pages say what the results beside them hold: tables of docs/ against docs/results/."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields

import pytest

from augengine.json_values import from_json
from augengine_train.experiments.reliance.analysis import analyse as analyse_reliance
from augengine_train.experiments.reliance.plan import Plan as ReliancePlan
from augengine_train.experiments.reliance.report import table as reliance_table
from augengine_train.experiments.statistics import Comparison
from augengine_train.experiments.table1 import gathering
from augengine_train.experiments.table1.analysis import analyse
from augengine_train.experiments.table1.plan import Plan
from augengine_train.experiments.table1.report import table
from tests.support.docs_tables import DOCS, Found, numbers, row, table_of, two
from tests.support.places import ROOT

PAIRS = ("cd68-half-um", "cd68", "cd34")
"""The columns of the phantom page's tables."""

PHANTOM: dict[str, Callable[[Found], list[str]]] = {
    "um/px": lambda f: [f"{f['run']['mpp']:g}"],
    "steps": lambda f: [f"{f['run']['steps']:,}".replace(",", " ")],
    "marker Dice of b and b' without noise": lambda f: two(f["validation"]["marker_dice"]),
    "Dice with the true markers": lambda f: two(f["truth_real"], f["truth_cycled"]),
    "markers stand out by": lambda f: [f"{f['validation'][k]:.0f}" for k in ("contrast_real", "contrast_hidden")],
    "two draws agree": lambda f: two(*f["validation"]["agreement"]),
    "at 0.2 over that at 0.01": lambda f: two(f["validation"]["agreement"][2] / f["validation"]["agreement"][0]),
    "Dice of one draw with b": lambda f: two(*f["validation"]["faithful"]),
    "SSIM of the haematoxylin": lambda f: two(f["ssim_cycled"], *f["ssim_noisy"][1:]),
    "cycle error": lambda f: [f"{f['validation'][k]['l1']:.3f}" for k in ("cycle_reference", "cycle_stain")],
}


DRIFT: dict[str, Callable[[list[Found]], list[str]]] = {
    "F1 by pixel on the tiles themselves": lambda each: [f"{each[0]['own']['pixels']['f1']:.3f}"],
    "lost on variants": lambda each: [f"{f['lost']:.3f}" for f in each],
    "Dice of what is found in a variant": lambda each: two(*(f["agreement"]["f1"] for f in each)),
}


@pytest.mark.parametrize("start", DRIFT)
@pytest.mark.parametrize(("column", "pair"), list(enumerate(PAIRS, 1)))
def test_the_phantoms_page_says_how_far_masks_drift(start: str, column: int, pair: str) -> None:
    page = (DOCS / "notes/phantom.md").read_text(encoding="utf-8")
    found = json.loads((DOCS / "results" / f"phantom-drift-{pair}.json").read_text())
    assert list(found) == ["looked-0.000001/", "looked-0.05/", "looked-0.2/"]
    assert numbers(row(page, start)[column]) == DRIFT[start](list(found.values()))


@pytest.mark.parametrize("start", PHANTOM)
@pytest.mark.parametrize(("column", "pair"), list(enumerate(PAIRS, 1)))
def test_the_phantoms_table_says_what_was_found(start: str, column: int, pair: str) -> None:
    page = (DOCS / "notes/phantom.md").read_text(encoding="utf-8")
    found = json.loads((DOCS / "results" / f"phantom-{pair}.json").read_text())
    assert numbers(row(page, start)[column]) == PHANTOM[start](found)


@pytest.mark.parametrize("least", ["0.50", "0.60", "0.70", "0.80", "0.84"])
def test_the_gates_table_says_what_its_curve_found(least: str) -> None:
    curve = json.loads((DOCS / "results" / "gate-cd68.json").read_text())["curve"]
    (gate,) = (gate for gate in curve["gates"] if gate["least"] == float(least))
    shares = [f"{100 * gate[name]:.0f}" for name in ("left_out", "caught", "wasted", "changed")]
    cells = row((DOCS / "guide/probing.md").read_text(encoding="utf-8"), least)
    assert [numbers(cell)[0] for cell in cells] == [least, *shares]


@pytest.mark.parametrize("eps", ["0.05", "0.2", "0.5", "0.9"])
def test_the_phantoms_page_says_which_masks_changed(eps: str) -> None:
    found = json.loads((DOCS / "results" / "gate-cd68.json").read_text())["by_eps"][eps]
    said = [eps, str(found["variants"]), str(found["changed"]), *two(found["mean_ssim"], found["least_ssim"])]
    assert [
        numbers(cell)[0] for cell in row((DOCS / "notes/phantom.md").read_text(encoding="utf-8"), f"{eps} |")
    ] == said


def unwrapped(name: str) -> str:
    """A page as one line: where its lines end says nothing."""
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


def test_readme_says_what_table_1_found() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    analysis = json.loads((DOCS / "results" / "table1.json").read_text())["analysis"]
    gain, low, high = two(*(analysis["primary"][name] for name in ("mean", "low", "high")))
    assert f"F1 rises by {gain} (95 % {low} ... {high}," in readme
    (same,) = (each for each in analysis["secondary"] if each["name"] == "paper - baseline, same")
    assert same["verdict"] == "not shown"
    assert f"no change is shown ({' ... '.join(two(same['low'], same['high']))})" in readme


def test_table_1_says_what_its_first_run_found() -> None:
    first = json.loads((DOCS / "results" / "table1-first.json").read_text())
    said = first["analysis"]["primary"]
    primary = Comparison(**{field.name: said[field.name] for field in fields(Comparison)})
    assert f'"Primary: {primary.sentence()}"' in unwrapped("notes/table1.md")


def test_table_1_says_what_became_of_the_markers() -> None:
    page = unwrapped("notes/table1.md")
    for line in gathering.lines(json.loads((DOCS / "results" / "table1-gathering.json").read_text())["gathering"]):
        assert line in page, line


def test_table_1_says_what_its_cells_say() -> None:
    """The verdict's lines are reckoned anew from the committed cells."""
    page = unwrapped("notes/table1.md")
    said = json.loads((DOCS / "results" / "table1.json").read_text())
    plan = from_json(Plan, said["plan"])
    analysis = analyse(plan, said["cells"])
    for line in (*analysis.lines(), *table(plan, said["cells"])[:-2]):  # without its legend
        assert " ".join(line.split()) in page, line


@pytest.mark.parametrize("arm", ["baseline", "reconstruction", "paper", "shuffle", "haematoxylin", "stain-jitter"])
def test_the_page_on_vegf_says_what_each_arm_reached(arm: str) -> None:
    arms = json.loads((DOCS / "results" / "vegf-compare.json").read_text())["analysis"]["pooled"]
    f1 = [f"{arms[arm][dose]['pixels']['f1']:.3f}" for dose in ("1", "0", "0.5", "1.5")]
    cells = row((DOCS / "notes/vegf.md").read_text(encoding="utf-8"), f"{arm} |")
    assert [cells[1], *cells[7:10]] == f1


def test_the_page_on_reliance_says_what_its_cells_say() -> None:
    """The table and the verdict are reckoned anew from the committed cells."""
    page = unwrapped("notes/reliance.md")
    said = json.loads((DOCS / "results" / "reliance.json").read_text())
    plan = from_json(ReliancePlan, {name: said["plan"][name] for name in _fields_of_reliance()})
    found = analyse_reliance(plan, said["cells"])
    assert said["analysis"]["verdict"] == found.verdict()
    for line in (*reliance_table(found), *found.lines()):
        assert " ".join(line.split()) in page, line


def _fields_of_reliance() -> list[str]:
    return [field.name for field in fields(ReliancePlan)]


INT8 = {
    "bfloat16 everywhere": "bfloat16",
    "one range per convolution": "one range, 100 %",
    "the same, without the largest 0.001": "one range, 99.999 %",
    "the same, without the largest 0.01 ": "one range, 99.99 %",
    "a range for each channel": "a range a channel, times 1, floor 0",
    "**with room": "a range a channel, times 1.25, floor 0.25",
    "the same, judged": "half: a range a channel, times 1.25, floor 0.25",
}


@pytest.mark.parametrize("start", INT8)
def test_the_page_on_int8_says_what_each_way_costs(start: str) -> None:
    cases = json.loads((ROOT / "benchmarks/results/int8_error.json").read_text())["cases"].values()
    said = [f"{rows[INT8[start]]:.4f}" for rows in (case["rows"] for case in cases) if INT8[start] in rows]
    cells = row((DOCS / "notes/int8.md").read_text(encoding="utf-8"), start)
    assert [cell for cell in cells[1:] if cell.strip("| ")] == said


def test_the_page_on_vegf_gives_the_verdicts() -> None:
    page, results = unwrapped("notes/vegf.md").replace(" > ", " "), DOCS / "results"
    for line in json.loads((results / "vegf-compare.json").read_text())["analysis"]["verdict"]:
        assert line in page
    probe = json.loads((results / "vegf-probe.json").read_text())
    assert probe["verdict"]["word"] == "unstable"
    assert f"Dice of {probe['markers']['dice']:.2f}" in page


@pytest.mark.parametrize("file", ["int8_job.json", "int8_job-vnni.json"])
def test_the_page_on_int8_says_how_fast_whole_jobs_are(file: str) -> None:
    table = table_of((DOCS / "notes/int8.md").read_text(encoding="utf-8"), f"benchmarks/results/{file}")
    for name, runs in json.loads((ROOT / "benchmarks/results" / file).read_text())["cases"].items():
        for run in runs:
            cells = row(table, f"{name} | {run['eps']:g} |")
            assert cells[-1].strip("| ") == f"{run['int8_over_the_other']:.2f}"
            assert cells[-3:-1] == [str(rates["images_per_second"]) for rates in reversed(run["rows"].values())]
            assert f"sigma {cells[3]}: within" in run["engines"]["int8"]
            assert f"int8 in {cells[2]} " in run["engines"]["int8"]
            assert run["auto"].startswith("int8")


def test_the_page_on_performance_says_what_other_forms_cost() -> None:
    sides = json.loads((ROOT / "benchmarks/results/operator_forms.json").read_text())["sides"]
    page = (DOCS / "notes/performance.md").read_text(encoding="utf-8")
    for form in ("padding as slices", "padding gathered", "norm written out"):
        measured = [sides[side][kind][form]["times"] for kind in (0, 1) for side in ("256", "508")]
        assert [cell.strip("| ") for cell in row(page, form)[1:]] == [f"{times:.2f}" for times in measured]
        assert all(found[form]["rms_apart_in_onnxruntime"] < 0.002 for kinds in sides.values() for found in kinds)
    assert {sides[side][1]["padding as slices"]["rms_apart"] for side in sides} == {0.12}


def test_the_page_on_performance_says_what_a_skilled_user_gains() -> None:
    files = sorted((ROOT / "benchmarks/results").glob("speed-avx512-vnni*.json"))
    sizes = {(s["side"], s["variants"]): s for file in files for s in json.loads(file.read_text())["sizes"]}
    page = unwrapped("notes/performance.md")
    line = "The whole job is {} times as fast as the fastest loop of `torch.compile` at 256 px and K = 1, "
    line += "{} times at K = 4, and {} times at 508 px."
    assert line.format(*(_over_loops(sizes[size]) for size in ((256, 1), (256, 4), (508, 1)))) in page
    compiled, own = ({_int8_over(sizes[size], start) for size in ((256, 1), (508, 1))} for start in PASSES)
    assert {f"A pass in int8 is {times} times as fast as one of `torch.compile`" in page for times in compiled} == {
        True
    }
    assert own == {"2.5"}
    assert "There a pass is 2.5 times as fast at 256 and at 508 px" in unwrapped("notes/int8.md")
    first = [f"{sizes[size]['command']['first_shard_started_s']:.1f}" for size in ((256, 1), (256, 4), (508, 1))]
    assert "after {} s at 256 px and K = 1, {} s at K = 4, and {} s at 508 px".format(*first) in page


PASSES = ("pass, torch.compile", "G_BA")


def _int8_over(size: Found, start: str) -> str:
    rates = {name: row["images_per_second"] for name, row in size["rows"].items()}
    return f"{rates['pass, int8'] / next(rate for name, rate in rates.items() if name.startswith(start)):.1f}"


def _over_loops(size: Found) -> str:
    rates = {name: row["images_per_second"] for name, row in size["rows"].items()}
    fastest = max(rate for name, rate in rates.items() if name.startswith("torch.compile"))
    return f"{next(rate for name, rate in rates.items() if name.startswith('whole job, png')) / fastest:.2f}"
