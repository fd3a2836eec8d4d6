"""Odd machines and dying processes: the bytes of a clean run, or a refusal in words after which they come."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.datasets import digests, leftovers, make
from tests.support.pictures import encode, tissue, write_folder
from tests.support.places import ROOT

pytestmark = pytest.mark.e2e

SAMPLES = 16
OPTIONS = {"samples_per_shard": 1, "variants": 2}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles large enough that a run of them takes some seconds."""
    names = [f"tile_{i:02d}" for i in range(SAMPLES)]
    return write_folder(tmp_path_factory.mktemp("tiles"), names, masks=True, height=256, width=256)


@pytest.fixture(scope="module")
def clean(tiles: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of an undisturbed run; it builds the engines of all runs below."""
    out = tmp_path_factory.mktemp("clean") / "out"
    assert make(tiles, out, small_weights, **OPTIONS).complete()
    return digests(out)


def words(tiles: Path, out: Path, weights: Path) -> list[str]:
    own = ["--in", str(tiles), "--weights", str(weights), "--mpp", "0.5", "--eps", "0.05", "--workers", "1", "--force"]
    more = ["--samples-per-shard", "1", "--variants", "2", "--out", str(out)]
    return [sys.executable, "-m", "augengine", "augment", "--stain", "cd68", *own, *more]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'train'}"} | more


def start(tiles: Path, out: Path, weights: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(words(tiles, out, weights), env=environment(), stderr=subprocess.PIPE, text=True)


def wait_for(shards: int, out: Path, run: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while len(list(out.glob("*.tar"))) < shards and run.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def in_shell(before: str, tiles: Path, out: Path, weights: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The command after some words of the shell, or before some that redirect."""
    command = shlex.join(words(tiles, out, weights))
    line = f"exec {command} {before}" if before[:1] in "><" else f"{before}; exec {command}"
    return subprocess.run(["bash", "-c", line], env=environment(**more), capture_output=True, text=True, check=False)


def test_a_run_that_is_killed_again_and_again_ends_with_the_bytes_of_a_clean_one(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for shards in (1, 5, 9):
        run = start(tiles, out, small_weights)
        wait_for(shards, out, run)
        run.kill()
        run.communicate()
    assert make(tiles, out, small_weights, **OPTIONS).complete()
    assert digests(out) == clean
    assert leftovers(out) == []


def test_a_run_that_is_stopped_and_continued_goes_on(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = start(tiles, out, small_weights)
    wait_for(2, out, run)
    run.send_signal(signal.SIGSTOP)
    time.sleep(1)
    run.send_signal(signal.SIGCONT)
    said = run.communicate(timeout=120)[1]
    assert run.returncode == 0, said
    assert digests(out) == clean


def test_of_three_runs_on_one_folder_one_writes_and_the_others_say_so(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = start(tiles, out, small_weights)
    wait_for(1, out, first)
    first.send_signal(signal.SIGSTOP)
    others = [start(tiles, out, small_weights) for _ in range(2)]
    refused = [run.communicate(timeout=120)[1] for run in others]
    first.send_signal(signal.SIGCONT)
    said = first.communicate(timeout=120)[1]
    assert [run.returncode for run in others] == [2, 2]
    assert all("is in use by process" in text for text in refused)
    assert first.returncode == 0, said
    assert digests(out) == clean


@pytest.mark.parametrize("odd", ["ulimit -n 64", ">&- 2>&- <&-", "umask 077", "cd /", "unset HOME PATH LANG TERM"])
def test_odd_surroundings_change_no_byte(
    odd: str, tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    done = in_shell(odd, tiles, tmp_path / "out", small_weights)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == clean


def test_a_path_of_hundreds_of_letters_is_a_path(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path.joinpath(*["a" * 200] * 4)
    done = in_shell("true", tiles, out, small_weights)
    assert done.returncode == 0, done.stderr
    assert digests(out) == clean


def test_a_home_that_cannot_be_written_is_named(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    done = in_shell("true", tiles, tmp_path / "out", small_weights, AUGENGINE_HOME="/proc/nowhere")
    assert done.returncode == 2
    assert "cannot write the engine store /proc/nowhere" in done.stderr
    assert "AUGENGINE_HOME" in done.stderr


def test_a_disk_that_takes_no_more_is_named_and_the_same_command_ends_right(
    tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = in_shell("ulimit -f 8", tiles, out, small_weights)  # no file of more than 8 KiB
    assert done.returncode in (1, 2)
    assert "File too large" in done.stderr
    assert "fault of augengine" not in done.stderr
    assert in_shell("true", tiles, out, small_weights).returncode == 0
    assert digests(out) == clean


def lost(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def exchanged(file: Path) -> None:
    file.write_bytes(encode(tissue(256, 256, seed=99)))


@pytest.mark.parametrize("spoil", [lost, cut, exchanged])
def test_inputs_that_change_under_a_run_are_named_and_once_mended_it_ends_right(
    spoil: Callable[[Path], None], tiles: Path, clean: dict[str, str], small_weights: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for file in tiles.iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    run = start(source, out, small_weights)
    wait_for(1, out, run)
    last = source / f"tile_{SAMPLES - 1:02d}.png"
    whole = last.read_bytes()
    spoil(last)
    said = run.communicate(timeout=120)[1]
    assert "fault of augengine" not in said
    if run.returncode:  # else the run had read it already
        reports = [file.read_text() for file in (out / ".augengine").glob("*.json")]
        assert "tile_15" in said + "".join(reports) or "changed since" in said + "".join(reports)
    last.write_bytes(whole)
    done = in_shell("true", source, out, small_weights)
    if done.returncode == 1:  # a sample that failed for what it then was gets another chance when told to
        assert make(source, out, small_weights, retry_failed=True, **OPTIONS).complete()
    found = digests(out)
    assert {name: found[name] for name in found if name.endswith(".tar")} == {
        name: digest for name, digest in clean.items() if name.endswith(".tar")
    }


LISTED = """
import sys
from pathlib import Path
from augengine.sources import FolderSource
listing = FolderSource(folder=sys.argv[1]).scan()
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(listing.units[0].entries), int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_a_folder_of_35_000_images_is_listed_in_200_mb(tmp_path: Path) -> None:
    picture = tmp_path / "one.png"
    picture.write_bytes(encode(tissue()))
    source = tmp_path / "in"
    source.mkdir()
    for number in range(35_000):
        (source / f"k{number}.png").hardlink_to(picture)
    done = subprocess.run([sys.executable, "-c", LISTED, str(source)], capture_output=True, text=True, check=True)
    count, mebibytes = map(int, done.stdout.split())
    assert count == 35_000
    assert mebibytes < 200
