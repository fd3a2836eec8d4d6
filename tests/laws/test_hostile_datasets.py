"""Datasets from elsewhere whose files are not what they seem: read in bounded time and memory, and named."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from augengine.annotations import open_labels
from augengine.errors import AugengineError, ShardError, SourceError, TargetError
from augengine.runs import read_status
from augengine.shards.verify import verify
from augengine.storage import MAX_RECORD_BYTES, NotPlainError, open_plain, read_plain
from tests.support.datasets import digests, make
from tests.support.pictures import write_folder

pytestmark = pytest.mark.e2e

SECONDS, BYTES = 20, 3 << 30
"""What each may take, as the page on security promises; a process starts and imports in about one second of it."""

SHARD = "cd68-000000"
Spoil = Callable[[Path], None]


def fifo(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def endless(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to("/dev/zero")


def sparse(file: Path) -> None:
    file.touch()
    os.truncate(file, 4 << 30)


def folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def link_out(file: Path) -> None:
    other = Path(tempfile.mkdtemp()) / file.name
    other.write_bytes(file.read_bytes() if file.exists() else b"{}")
    file.unlink(missing_ok=True)
    file.symlink_to(other)


def bound_socket(file: Path) -> None:
    file.unlink(missing_ok=True)
    here = Path.cwd()
    os.chdir(file.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(file.name)
    os.chdir(here)


SPOILS: tuple[Spoil, ...] = (fifo, endless, sparse, folder, link_out, bound_socket)
FILES = ("lock", "plan.json", f"{SHARD}.json", "run.json", "quarantine.json", f"../{SHARD}.idx", f"../{SHARD}.tar")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "tiles", ["a", "b"])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, source: Path, small_weights: Path) -> Path:
    """A dataset of one shard."""
    out = tmp_path_factory.mktemp("sound") / "out"
    make(source, out, small_weights)
    return out


def spoiled(sound: Path, tmp_path: Path, name: str, spoil: Spoil) -> Path:
    out = tmp_path / "out"
    shutil.copytree(sound, out)
    spoil((out / ".augengine" / name).absolute())
    return out


BOTH = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
from augengine.cli.main import main
for command in ("status", "verify"):
    try: main([command, sys.argv[1]], standalone_mode=False)
    except SystemExit as left: print("left", left.code)
"""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spoil", SPOILS)
def test_status_and_verify_end_and_call_nothing_our_fault(name: str, spoil: Spoil, sound: Path, tmp_path: Path) -> None:
    out = spoiled(sound, tmp_path, name, spoil)
    command = [sys.executable, "-c", BOTH, str(out), str(BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = done.stdout + done.stderr
    assert "fault of augengine" not in said, said
    assert "Traceback" not in said, said
    # A dataset of which nothing was touched but the record of its last run, or a link to the same bytes, is sound.
    unharmed = name in ("lock", "run.json", "quarantine.json") or (name.startswith("..") and spoil is link_out)
    assert ("sound" in said) == unharmed, said


def test_cases_whose_locks_and_reports_are_pipes_or_endless_end_in_time(
    sound: Path, safety_cases: Path, tmp_path: Path
) -> None:
    shutil.copytree(sound, tmp_path / "DS")
    subprocess.run(["bash", str(safety_cases / "dataset_kinds.sh"), str(tmp_path / "DS")], check=True)
    for kind in ("lock-fifo", "report-fifo", "lock-zero", "report-zero"):
        command = [sys.executable, "-c", BOTH, str(tmp_path / f"DS-{kind}"), str(BYTES)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        said = done.stdout + done.stderr
        assert "fault of augengine" not in said, said
        assert "no plain file" in said or "leads out of" in said, said


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (fifo, "it is a named pipe, no plain file"),
        (endless, "it is a link that leads out of"),
        (sparse, f"it has {4 << 30} bytes, {MAX_RECORD_BYTES} are allowed"),
        (folder, "it is a folder, no plain file"),
        (bound_socket, "it is a socket, no plain file"),
    ],
)
def test_a_report_is_named_for_what_it_is(spoil: Spoil, said: str, sound: Path, tmp_path: Path) -> None:
    out = spoiled(sound, tmp_path, f"{SHARD}.json", spoil)
    assert any(said in problem for problem in verify(out).problems)
    assert f"left: {SHARD}:" in "\n".join(read_status(out).lines())
    assert said in "\n".join(read_status(out).lines())


@pytest.mark.parametrize("spoil", [fifo, endless, sparse, link_out])
def test_a_shard_whose_report_is_none_is_made_again(
    spoil: Spoil, sound: Path, source: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = spoiled(sound, tmp_path, f"{SHARD}.json", spoil)
    assert make(source, out, small_weights).resumed == 0
    assert digests(out) == digests(sound)


@pytest.mark.parametrize("spoil", [fifo, endless, sparse, folder])
def test_a_lock_that_is_none_is_refused_with_what_to_do(
    spoil: Spoil, sound: Path, source: Path, small_weights: Path, tmp_path: Path
) -> None:
    out = spoiled(sound, tmp_path, "lock", spoil)
    for read in (lambda: read_status(out), lambda: make(source, out, small_weights)):
        with pytest.raises(TargetError, match=r"the lock .* cannot be read") as caught:
            read()
        assert "delete it" in caught.value.hint


@pytest.mark.parametrize(
    "content", ['{"host":"h","pid":1e999,"start":"s"}', "[" * 60_000, "{}", "null", '{"pid":"x"}', "\0" * 100]
)
def test_a_lock_of_odd_content_is_somebody_elses(content: str, sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(sound, out)
    (out / ".augengine" / "lock").write_text(content)
    assert read_status(out).standing in ("running", "silent")


@pytest.mark.parametrize("output", ["../../../../etc/passwd", "a/b", "..", "", "a\nb", 5, None])
def test_a_plan_whose_shards_lead_out_of_the_folder_is_refused(output: object, sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(sound, out)
    plan = json.loads((out / ".augengine" / "plan.json").read_text())
    plan["jobs"][0]["output"] = output
    (out / ".augengine" / "plan.json").write_text(json.dumps(plan))
    for read in (read_status, verify):
        with pytest.raises(ShardError, match=r"jobs\[0\].*(stays in its folder|expected str)"):
            read(out)


@pytest.mark.parametrize("spoil", [fifo, endless, folder])
@pytest.mark.parametrize("name", ["a.geojson", "a.xml", "a.json", "a.roi", "a.zip", "a_mask.png"])
def test_annotations_are_plain_files(spoil: Spoil, name: str, tmp_path: Path) -> None:
    spoil(tmp_path / name)
    with pytest.raises(SourceError):
        open_labels(tmp_path / name, slide_width=64, slide_height=64)


def test_a_plain_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert read_plain(file, limit=3, within=tmp_path) == b"abc"
    with pytest.raises(NotPlainError, match="it has 3 bytes, 2 are allowed"):
        read_plain(file, limit=2)
    (tmp_path / "link").symlink_to(file)
    assert read_plain(tmp_path / "link", limit=3, within=tmp_path) == b"abc"
    (tmp_path / "below").mkdir()
    with pytest.raises(NotPlainError, match="leads out of"):
        read_plain(tmp_path / "link", limit=3, within=tmp_path / "below")
    with pytest.raises(NotPlainError, match="it grows, or is no file on a disk"):
        read_plain(Path("/proc/self/status"), limit=1000)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "missing")
    assert not isinstance(NotPlainError("x"), AugengineError)
