"""A tiling that is killed goes on, and one bad slide, tile or annotation stops no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shapely import box

from augengine.runs import quarantine, read_plan
from augengine.shards.verify import verify
from tests.support.annotated_slide import DISC, OBJECTS
from tests.support.annotated_slide import labels as labels
from tests.support.annotated_slide import slide as slide
from tests.support.annotation_files import write_geojson
from tests.support.datasets import digests, leftovers, members
from tests.support.pictures import Pixels
from tests.support.slide_files import picture as picture
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "s.tif", specimen(2400, 3000))
    options = ["--size", "64", "--mpp", "0.25", "--tiles-per-shard", "8", "--workers", "1"]
    command = [sys.executable, "-m", "augengine", "tile", str(slide), *options, "--out"]
    subprocess.run([*command, str(tmp_path / "clean")], check=True, capture_output=True, timeout=120)
    out = tmp_path / "out"
    run = subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL)
    while len(list((out / ".augengine").glob("s-*.json"))) < 3:
        assert run.poll() is None
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    again = subprocess.run([*command, str(out), "--json"], check=True, capture_output=True, timeout=120)
    said = json.loads(again.stdout)
    assert 3 <= said["run"]["shards_resumed"] < said["shards"]["done"]
    assert digests(out) == digests(tmp_path / "clean")
    assert leftovers(out) == []


def test_a_tile_that_is_known_to_be_bad_is_left_out_by_name(slide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(slide, out, random=4)
    before, plan = members(out), read_plan(out, "tile")
    assert plan is not None
    quarantine(out, plan.jobs[0], 2, "it kills the worker")
    (out / ".augengine" / "s-000000.json").unlink()
    summary = cut(slide, out, random=4)
    bad = f"s_x{summary.surveys[0].places[2].x}_y{summary.surveys[0].places[2].y}"
    assert summary.failure_lines() == [f"{bad}: it kills the worker"]
    assert members(out) == {name: data for name, data in before.items() if name.partition(".")[0] != bad}
    assert verify(out).ok


def test_one_bad_slide_stops_no_other(slide: Path, labels: Path, picture: Pixels, tmp_path: Path) -> None:
    bad = {
        "text.tif": "cannot be opened as a slide",
        "small.tif": "a tile has 64",
        "unscaled.tif": "does not state its um/px",
        "dark.tif": "dark, as under fluorescence",
        "unannotated.tif": "has no annotation file",
        "empty.tif": "s.geojson|empty",
    }
    (tmp_path / "text.tif").write_text("no slide")
    write_slide(tmp_path / "small.tif", picture[:100, :90])
    write_slide(tmp_path / "unscaled.tif", picture, mpp=None)
    write_slide(tmp_path / "dark.tif", picture // 20)
    write_slide(tmp_path / "unannotated.tif", picture)
    write_slide(tmp_path / "empty.tif", picture)
    for name in ("text", "small", "unscaled", "dark"):
        write_geojson(labels / f"{name}.geojson", [("glomerulus", DISC)])
    (labels / "empty.geojson").write_text("")
    slides = [slide, *(tmp_path / name for name in bad)]
    summary = cut(slides, tmp_path / "out", annotations=labels, **OBJECTS)
    assert not summary.complete()
    assert summary.complete(allow_failures=len(bad))
    assert summary.tiles == 2
    errors = {f"{survey.slide.key}.tif": survey.error for survey in summary.surveys if survey.error}
    assert errors.keys() == bad.keys()
    assert all(any(part in errors[name] for part in said.split("|")) for name, said in bad.items())


def test_a_mended_slide_is_added_by_the_same_command(slide: Path, picture: Pixels, tmp_path: Path) -> None:
    broken = tmp_path / "a.tif"
    broken.write_text("half copied")
    first = cut([broken, slide], tmp_path / "out")
    assert not first.complete()
    before = digests(tmp_path / "out")
    write_slide(broken, picture)
    second = cut([broken, slide], tmp_path / "out")
    assert second.complete()
    assert second.resumed == 1
    assert second.tiles == 2 * first.tiles
    after = digests(tmp_path / "out")
    assert {name: after[name] for name in before if name.endswith(".tar")} == {
        name: digest for name, digest in before.items() if name.endswith(".tar")
    }
    assert verify(tmp_path / "out").ok


def test_a_damaged_part_of_a_slide_is_a_named_tile(slide: Path, tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffFile(slide) as tif:
        page = tif.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        middle = next(i for i, n in enumerate(page.databytecounts) if n == max(page.databytecounts))
        start = page.dataoffsets[middle]
    with slide.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 40)  # no stream of deflate
    summary = cut(slide, tmp_path / "out", mpp=0.25)
    named = [line for line in summary.failure_lines() if "damaged" in line]
    assert named
    assert all(line.startswith("s_x") for line in named)
    assert summary.tiles + len(named) == len(summary.surveys[0].places)
    assert verify(tmp_path / "out").ok


def test_annotations_outside_the_slide_are_named(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    outside, inside = ("glomerulus", box(5000, 5000, 5050, 5050)), ("glomerulus", box(330, 500, 370, 540))
    write_geojson(tmp_path / "labels" / "s.geojson", [outside, inside])
    summary = cut(slide, tmp_path / "some", annotations=tmp_path / "labels", **OBJECTS)
    assert any("outside" in line for line in summary.outcome.notes)
    write_geojson(tmp_path / "labels" / "s.geojson", [outside])
    summary = cut(slide, tmp_path / "none", annotations=tmp_path / "labels", **OBJECTS)
    assert any("outside" in line for line in summary.failure_lines())


def test_dark_slides_are_taken_when_told_to(picture: Pixels, tmp_path: Path) -> None:
    dark = write_slide(tmp_path / "dark.tif", picture // 20)
    assert cut(dark, tmp_path / "out", allow_dark=True).tiles == 35
