"""Links, and what else would lead out of a folder: nothing is written or removed there, and no source reads there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from augengine.digests import canonical_json
from augengine.errors import ShardError, SourceError, TargetError
from augengine.json_values import to_json
from augengine.runs import open_target
from augengine.shards.records import PLAN_FORMAT
from augengine.shards.verify import verify
from augengine.sources import FolderSource
from augengine.storage import spool_of
from augengine.tiling.finding import find_slides
from tests.support.pictures import encode, tissue, write_folder
from tests.support.plans import a_plan


def _outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious.png").write_bytes(encode(tissue()))
    return folder


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("part", ["", "spool", "slides", "engines"])
def test_a_target_whose_own_folders_are_links_is_refused_and_nothing_changes_behind_them(
    part: str, tmp_path: Path
) -> None:
    outside, out = _outside(tmp_path), tmp_path / "out"
    before = _tree(outside)
    place = out / ".augengine" / part if part else out / ".augengine"
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    with pytest.raises(TargetError, match="symbolic link") as refusal, open_target(out):
        pytest.fail("it was opened")
    assert refusal.value.hint
    assert _tree(outside) == before


@pytest.mark.parametrize("target", ["precious.png", "missing"])
def test_a_lock_that_is_a_link_is_refused_and_what_it_points_to_stays(target: str, tmp_path: Path) -> None:
    outside, out = _outside(tmp_path), tmp_path / "out"
    before = _tree(outside)
    (out / ".augengine").mkdir(parents=True)
    (out / ".augengine" / "lock").symlink_to(outside / target)
    with pytest.raises(TargetError, match="it is a link that leads out of"), open_target(out):
        pytest.fail("it was opened")
    assert _tree(outside) == before


@pytest.mark.parametrize("name", ["spool/left.tar", "spool/left"])
def test_links_that_a_run_replaces_or_removes_do_not_touch_what_they_point_to(name: str, tmp_path: Path) -> None:
    outside, out = _outside(tmp_path), tmp_path / "out"
    before = _tree(outside)
    link = out / ".augengine" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if name.endswith("left") else outside / "precious.png")
    with open_target(out):
        pass
    assert _tree(outside) == before
    assert not link.is_symlink()


def test_links_within_a_source_are_read_and_those_that_lead_out_refuse_it(tmp_path: Path) -> None:
    source, outside = write_folder(tmp_path / "in", ["a", "sub/b"]), _outside(tmp_path)
    (source / "c.png").symlink_to("a.png")
    listing = FolderSource(folder=str(source)).scan()
    assert [entry.key for entry in listing.entries()] == ["a", "c", "sub_b"]
    for name, target in (("d.png", outside / "precious.png"), ("e", outside), ("f.png", "../outside/precious.png")):
        (source / name).symlink_to(target)
        with pytest.raises(SourceError, match="leads out of"):
            FolderSource(folder=str(source)).scan()
        (source / name).unlink()


def test_links_that_lead_out_of_the_masks_are_refused(tmp_path: Path) -> None:
    source, outside = write_folder(tmp_path / "in", ["a"]), _outside(tmp_path)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").symlink_to(outside / "precious.png")
    with pytest.raises(SourceError, match="leads out of"):
        FolderSource(folder=str(source), masks=str(tmp_path / "masks")).scan()


def test_what_is_no_plain_file_is_one_bad_sample_and_is_never_opened(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a"])
    os.mkfifo(source / "pipe.png")
    (source / "loop.png").symlink_to("loop.png")
    bad = FolderSource(folder=str(source)).scan().bad
    assert {entry.key: "no plain file" in entry.reason for entry in bad} == {"loop": True, "pipe": True}


def test_a_slide_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    (found,) = find_slides([str(tmp_path)]).slides
    assert found.error == "it is a link to nothing"


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "a/../../secret", "..", "\x1b[2Jx"])
def test_a_plan_whose_shards_lie_elsewhere_is_not_verified(name: str, tmp_path: Path) -> None:
    (tmp_path / ".augengine").mkdir()
    spec, job = {"image_format": "png", "size": 64}, to_json(a_plan().jobs[0]) | {"output": name}
    plan = {"version": PLAN_FORMAT, "kind": "tile", "spec": spec, "jobs": [job]}
    (tmp_path / ".augengine" / "plan.json").write_bytes(canonical_json(plan))
    with pytest.raises(ShardError, match="stays in its folder"):
        verify(tmp_path)


def test_unfinished_files_lie_where_nobody_else_can_read_them(tmp_path: Path) -> None:
    with open_target(tmp_path / "out"):
        spool = tmp_path / "out" / ".augengine" / "spool"
        assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(spool_of().stat().st_mode) == 0o700
