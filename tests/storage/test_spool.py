"""Where files lie until they are uploaded: in a folder that nobody else can have prepared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from augengine.errors import WorkerError
from augengine.fleet.cluster import check_room
from augengine.storage import spool


def plain_file(place: Path) -> None:
    place.write_text("mine")


def dangling_link(place: Path) -> None:
    place.symlink_to(place.parent / "nowhere")


def link_to_a_folder(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    place.symlink_to(place.parent / "elsewhere")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool._spool.cache_clear()
    return tmp_path


@pytest.mark.parametrize("squat", [plain_file, dangling_link, link_to_a_folder])
def test_a_place_that_somebody_has_taken_is_left_alone(squat: Callable[[Path], None], temporary: Path) -> None:
    place = temporary / f"augengine-{os.getuid()}"
    squat(place)
    folder = spool.spool_of()
    assert folder.is_dir()
    assert folder.parent == temporary
    assert folder != place
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (temporary / "nowhere").exists()
    assert list((temporary / "elsewhere").glob("*")) == []


def test_a_spool_lies_in_a_folder_of_the_users_own(temporary: Path) -> None:
    folder = spool.spool_of()
    assert folder.parent == temporary / f"augengine-{os.getuid()}"
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert spool.spool_of() == folder


def test_a_full_temporary_folder_is_named_before_ray_waits_for_it(tmp_path: Path) -> None:
    check_room(tmp_path, needed=1)
    with pytest.raises(WorkerError, match=f"the temporary folder {tmp_path} has .* left, Ray needs") as caught:
        check_room(tmp_path, needed=1 << 60)
    assert "TMPDIR" in caught.value.hint
