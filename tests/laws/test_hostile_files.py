"""Hundreds of damaged files among whole ones: no run crashes, nothing appears elsewhere, each bad one is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from augengine.errors import ShardError
from augengine.shards import verify
from tests.support import hostile_files
from tests.support.datasets import keys, make
from tests.support.hostile_files import damaged
from tests.support.pictures import encode, tissue
from tests.support.slide_files import specimen, write_slide
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e

FEW, MANY = 12, 100
SHARES = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]


@contextmanager
def nothing_changes_beside(out: Path) -> Iterator[None]:
    """Whatever lies around the target is as it was, to the byte."""
    before = _around(out)
    yield
    assert _around(out) == before


def _around(out: Path) -> dict[str, tuple[int, int]]:
    files = (file for file in out.parent.rglob("*") if not file.is_relative_to(out))
    return {str(file): (file.lstat().st_size, file.lstat().st_mtime_ns) for file in files}


def _write_pictures(folder: Path, count: int) -> set[str]:
    """``count`` damaged pictures of each of five kinds, as many damaged masks and sidecars, and some whole ones."""
    folder.mkdir()
    whole = {f"whole{number}" for number in range(max(3, count // 4))}
    for number, key in enumerate(sorted(whole)):
        (folder / f"{key}.png").write_bytes(encode(tissue(seed=number)))
    for kind, data in hostile_files.pictures().items():
        for seed in range(count):
            (folder / f"{kind}{seed:03d}.{kind}").write_bytes(damaged(data, kind, seed))
    for seed in range(count):
        for name, bad in (("mask", "masked{:03d}_mask.png"), ("json", "said{:03d}.json")):
            data = hostile_files.mask() if name == "mask" else hostile_files.sidecar()
            beside = folder / bad.format(seed)
            beside.write_bytes(damaged(data, "png" if name == "mask" else "json", seed))
            beside.with_name(f"{beside.stem.removesuffix('_mask')}.png").write_bytes(encode(tissue(seed=seed)))
    return whole


@pytest.mark.parametrize("count", SHARES)
def test_damaged_pictures_masks_and_sidecars_are_named_and_the_rest_goes_through(
    count: int, small_weights: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    whole = _write_pictures(source, max(2, count // 2))
    pictured = {file.name for file in source.iterdir() if not file.name.endswith(("_mask.png", ".json"))}
    with nothing_changes_beside(out):
        summary = make(source, out, small_weights)
    failed = [bad for report in summary.reports for bad in report.failures]
    made = {key.removesuffix("-v0001") for key in keys(out)}
    assert made.isdisjoint(bad.key for bad in failed)
    assert len(made) + len(failed) == len(pictured)
    assert made >= whole
    assert all(bad.reason for bad in failed)
    assert not any(report.error for report in summary.reports)
    assert verify(out).ok
    print(f"{len(pictured)} pictures: {len(made)} made, {len(failed)} named")


@pytest.mark.parametrize("count", SHARES)
def test_damaged_shards_are_named_and_the_samples_of_others_go_through(
    count: int, small_weights: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for seed in range(count):
        (source / f"s{seed:03d}.tar").write_bytes(damaged(hostile_files.shard(f"s{seed:03d}k"), "tar", seed))
    for number in range(3):
        (source / f"whole{number}.tar").write_bytes(hostile_files.shard(f"whole{number}k"))
    with nothing_changes_beside(out):
        summary = make(source, out, small_weights)
    made = keys(out)
    failed = [bad for report in summary.reports for bad in report.failures]
    lost = [report for report in summary.reports if report.error]
    assert {f"whole{number}k{k}-v0001" for number in range(3) for k in range(3)} <= set(made)
    assert len(summary.reports) == count + 3
    assert len(made) + len(failed) == sum(report.samples_in for report in summary.reports if not report.error)
    assert lost == []
    assert all(bad.reason.isprintable() for bad in failed)
    assert verify(out).ok
    print(f"{count} shards: {len(failed)} samples or shards named, {len(made) - 9} samples went through")


@pytest.mark.parametrize("count", SHARES)
def test_damaged_slides_and_annotations_are_named_and_stop_no_other(count: int, tmp_path: Path) -> None:
    slides, drawn, out = tmp_path / "slides", tmp_path / "drawn", tmp_path / "out"
    slides.mkdir()
    drawn.mkdir()
    kinds = {
        kind: write_slide(tmp_path / f"{kind}.tif", specimen(480, 700), kind=kind) for kind in ("pyramid", "strips")
    }
    labels = hostile_files.geojson(drawn / "whole.geojson")
    shutil.copy(kinds["pyramid"], slides / "whole.tif")
    for seed in range(count // 4):
        for kind, file in kinds.items():
            (slides / f"{kind}{seed}.tif").write_bytes(damaged(file.read_bytes(), "tif", seed))
            (drawn / f"{kind}{seed}.geojson").write_bytes(labels)
    for seed in range(count // 2):
        (drawn / f"drawn{seed}.geojson").write_bytes(damaged(labels, "geojson", seed))
        shutil.copy(kinds["pyramid"], slides / f"drawn{seed}.tif")
    with nothing_changes_beside(out):
        summary = cut(slides, out, annotations=drawn, classes=("glomerulus=1",))
    named = {line.partition(":")[0].partition("_x")[0] for line in summary.failure_lines()}
    tiled = {survey.slide.key for survey in summary.surveys if not survey.error}
    assert {survey.slide.key for survey in summary.surveys} == named | tiled
    assert len(summary.surveys) == 1 + 2 * (count // 4) + count // 2
    assert "whole" in tiled - named
    assert summary.failed_shards == 0
    assert all(line.isprintable() for line in (*summary.failure_lines(), *summary.outcome.notes))
    assert verify(out).ok
    print(f"{len(summary.surveys) - 1} slides: {len(tiled) - 1} tiled, {len(summary.failure_lines())} failures named")


@pytest.mark.parametrize("count", SHARES)
def test_verify_names_whatever_was_changed_in_a_dataset(count: int, small_weights: Path, tmp_path: Path) -> None:
    source, whole = tmp_path / "in", tmp_path / "whole"
    source.mkdir()
    for number in range(3):
        (source / f"k{number}.png").write_bytes(encode(tissue(seed=number)))
        (source / f"k{number}_mask.png").write_bytes(hostile_files.mask())
    make(source, whole, small_weights)
    files = ["cd68-000000.tar", "cd68-000000.idx", ".augengine/cd68-000000.json", ".augengine/plan.json"]
    silent = []
    for seed in range(count):
        out, name = tmp_path / "out", files[seed % len(files)]
        shutil.copytree(whole, out)
        kind = name.rpartition(".")[2]
        (out / name).write_bytes(damaged((out / name).read_bytes(), kind, seed))
        with nothing_changes_beside(out):
            if not _names_something(out):
                silent.append(name)
        shutil.rmtree(out)
    # Of a plan, verify goes by some fields; the rest is for the next run, which compares all of it.
    assert set(silent) <= {files[2], files[3]}
    print(f"{count} changes: {count - len(silent)} named, silent {silent}")


def _names_something(out: Path) -> bool:
    try:
        found = verify(out)
    except ShardError as error:
        return bool(error.message)
    assert all(problem.isprintable() for problem in found.problems)
    return not found.ok
