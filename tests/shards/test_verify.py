from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.digests import canonical_json
from augengine.errors import PlanMismatch, ShardError
from augengine.jobs import Report
from augengine.json_values import to_json
from augengine.runs import Plan, make_jobs, write_plan
from augengine.sample import Failure, variant_key
from augengine.shards import ShardWriter, Verification, Written, members_of, read_report, verify, write_report
from augengine.shards.content import JSON_FIELDS, Planned
from augengine.shards.layout import index_file, plan_file, report_file, tar_file
from augengine.shards.records import PLAN_FORMAT
from augengine.spec import MAX_SIDE, AugmentSpec, NoiseSpec
from tests.support.pictures import class_ids, encode, tissue, turned
from tests.support.plans import folder_listing

SPEC = AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05))
ENGINES = {"to_reference": "t", "from_reference": "f", "precision": "float32"}
SAID = Planned.of({"spec": to_json(SPEC), "engines": ENGINES, "jobs": []}).said
FIRST, SECOND = "cd68-000000", "cd68-000001"

Members = list[tuple[str, bytes]]
Shard = dict[str, Members]


def members(number: int, *, image: bytes | None = None, mask: bytes | None = None, **fields: object) -> Members:
    record = (
        {name: kind() for name, kind in JSON_FIELDS.items()}
        | dict(SAID)
        | {"source_key": f"k{number}", "variant": 1}
        | fields
    )
    image = encode(tissue(seed=number)) if image is None else image
    mask = encode(class_ids(seed=number)) if mask is None else mask
    return members_of(image, "png", mask=mask, json=canonical_json(record), extras={})


def write(folder: Path, output: str, shard: Shard) -> Written:
    with ShardWriter(tar_file(folder, output)) as writer:
        for key, parts in shard.items():
            writer.add(key, parts)
    return writer.close()


def shard_of(numbers: range) -> Shard:
    return {variant_key(f"k{number}", 1): members(number) for number in numbers}


def report_of(written: Written, numbers: range) -> Report:
    images = np.stack([tissue(seed=number) for number in numbers]).reshape(-1, 3).astype(np.int64)
    ids, counts = np.unique([class_ids(seed=number) for number in numbers], return_counts=True)
    r, g, b = (int(total) for total in images.sum(axis=0))
    rr, gg, bb = (int(total) for total in (images**2).sum(axis=0))
    return Report(
        output=written.tar.stem,
        samples_in=len(numbers),
        samples_out=len(numbers),
        sha256=written.sha256,
        size=written.size,
        pixels=len(images),
        channel_sum=(r, g, b),
        channel_sum_sq=(rr, gg, bb),
        class_pixels=dict(zip(ids.tolist(), counts.tolist(), strict=True)),
        annotated=len(numbers),
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    jobs = make_jobs(folder_listing(6), SPEC, samples_per_shard=3)
    write_plan(tmp_path, Plan(spec=to_json(SPEC), source={}, engines=ENGINES, encoder="", jobs=jobs))
    for output, numbers in ((FIRST, range(3)), (SECOND, range(3, 6))):
        write_report(tmp_path, report_of(write(tmp_path, output, shard_of(numbers)), numbers))
    return tmp_path


def rewrite(folder: Path, changes: Shard) -> Verification:
    """Write the second shard with other members, its report's digest and size fitting."""
    written = write(folder, SECOND, shard_of(range(3, 6)) | changes)
    report = report_of(written, range(3, 6))
    write_report(folder, report)
    return verify(folder)


def edit(folder: Path, output: str, **fields: object) -> None:
    report = read_report(folder, output)
    assert report is not None
    write_report(folder, replace(report, **fields))  # type: ignore[arg-type]


def test_a_whole_dataset_has_nothing_wrong(dataset: Path) -> None:
    assert verify(dataset) == Verification(shards=2, samples=6, failures=0, problems=())
    assert verify(dataset).ok


def test_dropped_samples_are_counted_and_no_problem(dataset: Path) -> None:
    report = report_of(write(dataset, FIRST, shard_of(range(2))), range(2))
    write_report(dataset, replace(report, samples_in=3, failures=(Failure("k9", "truncated"),)))
    assert verify(dataset) == Verification(shards=2, samples=5, failures=1, problems=())


def test_a_sample_that_vanished_without_a_failure_is_a_problem(dataset: Path) -> None:
    write_report(dataset, report_of(write(dataset, FIRST, shard_of(range(2))), range(2)))
    assert any("counts 2 source samples, 3 were planned" in problem for problem in verify(dataset).problems)
    edit(dataset, FIRST, samples_in=3)
    assert any("3 good sources make 3 samples" in problem for problem in verify(dataset).problems)


def test_a_shard_without_any_good_sample_has_no_tar_and_no_problem(dataset: Path) -> None:
    for file in (tar_file(dataset, SECOND), index_file(dataset, SECOND)):
        file.unlink()
    dropped = tuple(Failure(f"k{number}", "truncated") for number in range(3, 6))
    write_report(dataset, Report(output=SECOND, samples_in=3, failures=dropped))
    assert verify(dataset).ok


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing tar": (lambda d: tar_file(d, SECOND).unlink(), f"{SECOND}: the tar is missing"),
    "missing index": (lambda d: index_file(d, SECOND).unlink(), f"{SECOND}: the index cannot be read"),
    "missing report": (lambda d: report_file(d, SECOND).unlink(), f"{SECOND}: not written yet"),
    "damaged report": (lambda d: report_file(d, SECOND).write_text("{"), f"{SECOND}: the report|{SECOND}: .* cannot"),
    "failed shard": (lambda d: write_report(d, Report(output=SECOND, error="no memory")), "no memory"),
    "other index": (lambda d: index_file(d, SECOND).write_text("v1.2 0\n"), "index does not fit"),
    "flipped bit": (lambda d: flip(tar_file(d, SECOND), 700), "sha256"),
    "cut short": (lambda d: cut(tar_file(d, SECOND), 3000), f"{SECOND}: the tar (has|is damaged)"),
    "foreign file": (lambda d: (d / "notes.json").write_text(""), "notes.json is not part"),
    "stray shard": (lambda d: (d / "cd68-000002.tar").write_text(""), "cd68-000002.tar is not part"),
    "count": (lambda d: edit(d, SECOND, samples_out=4), "holds 3 samples, its report says 4"),
    "channel sums": (lambda d: edit(d, SECOND, channel_sum=(1, 2, 3)), "channel_sum is"),
    "class pixels": (lambda d: edit(d, SECOND, class_pixels={7: 1}), "class_pixels is"),
}


def flip(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_with_its_shard(dataset: Path, what: str) -> None:
    damage, problem = DAMAGE[what]
    damage(dataset)
    found = verify(dataset)
    assert not found.ok
    assert any(re.search(problem, line) for line in found.problems), found.problems
    assert not any(line.startswith(FIRST) for line in found.problems)


@pytest.mark.parametrize("name", [f"{FIRST}.tar.idx", ".nv-meta", "_info.json"])
def test_a_readers_own_file_is_a_note_and_no_problem(dataset: Path, name: str) -> None:
    (dataset / name).write_text("")
    found = verify(dataset)
    assert (found.ok, found.notes) == (True, (f"{name} is a reader's own file, no part of the dataset",))


CONTENT: dict[str, tuple[Shard, str]] = {
    "image": ({"k4-v0001": members(4, image=b"no picture")}, "k4-v0001: the image"),
    "mask": ({"k4-v0001": members(4, mask=b"no picture")}, "k4-v0001: the mask cannot be read"),
    "mask's size": ({"k4-v0001": members(4, mask=encode(class_ids(40, 40)))}, "its mask is 40 x 40 px"),
    "json": ({"k4-v0001": [*members(4)[:2], ("json", b"{")]}, "its json cannot be read"),
    "no json": ({"k4-v0001": members(4)[:2]}, "no json object"),
    "json's fields": ({"k4-v0001": [*members(4)[:2], ("json", b"{}")]}, "its json lacks source_key"),
    "an empty field": (
        {"k4-v0001": members(4, mpp=None)},
        "its json has nothing under mpp, where every sample has a float",
    ),
    "a field of another type": ({"k4-v0001": members(4, source={})}, "its json has a dict under source"),
    "a turned image": ({"k4-v0001": members(4, image=turned(tissue(), "PNG", 6))}, "the EXIF orientation 6"),
    "json's key": ({"k4-v0001": members(4, variant=2)}, "says variant 2 of 'k4'"),
    "order": ({"k4-v0001": members(4)[::-1]}, "not in their fixed order"),
    "no image": ({"k4-v0001": members(4)[1:]}, "no .png"),
    "doubled key": ({"k0-v0001": members(0)}, "'k0-v0001' occurs 2 times"),
}


@pytest.mark.parametrize("what", CONTENT)
def test_bad_content_is_named_with_its_key(dataset: Path, what: str) -> None:
    changes, problem = CONTENT[what]
    assert any(problem in line for line in rewrite(dataset, changes).problems)


def test_many_problems_of_a_shard_do_not_flood_the_screen(dataset: Path) -> None:
    found = rewrite(dataset, {f"x{i}-v0001": [("png", b"")] for i in range(100)})
    assert len(found.problems) < 40
    assert any("more problems" in line for line in found.problems)


def test_a_folder_without_a_plan_or_with_a_damaged_one_is_refused(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ShardError, match="holds no plan") as caught:
        verify(tmp_path / "elsewhere")
    assert "augment --out" in caught.value.hint
    plan_file(dataset).write_text(json.dumps({"version": PLAN_FORMAT, "jobs": [{}]}))
    with pytest.raises(ShardError, match="lacks 'spec'"):
        verify(dataset)


def state_longest_side(folder: Path, pixels: int) -> None:
    plan = json.loads(plan_file(folder).read_text())
    plan["spec"]["max_side"] = pixels
    plan_file(folder).write_text(json.dumps(plan))


def test_the_plan_says_how_long_a_side_may_be(dataset: Path) -> None:
    wide = {"k3-v0001": members(3, image=encode(tissue(4, 2000)), mask=encode(class_ids(4, 2000)))}
    assert any("the longest side allowed is 1024" in problem for problem in rewrite(dataset, wide).problems)
    state_longest_side(dataset, 2000)
    assert not any("the longest side allowed" in problem for problem in verify(dataset).problems)


@pytest.mark.parametrize("pixels", [0, -1, MAX_SIDE + 1])
def test_no_plan_allows_a_side_that_no_command_decodes(dataset: Path, pixels: int) -> None:
    state_longest_side(dataset, pixels)
    with pytest.raises(ShardError, match=r"longest side|max-side must be"):
        verify(dataset)


def test_a_plan_of_another_format_is_refused_by_its_number(dataset: Path) -> None:
    plan = json.loads(plan_file(dataset).read_text())
    plan_file(dataset).write_text(json.dumps({**plan, "version": PLAN_FORMAT + 1}))
    with pytest.raises(PlanMismatch, match=f"has the format {PLAN_FORMAT + 1}, this version writes {PLAN_FORMAT}"):
        verify(dataset)
