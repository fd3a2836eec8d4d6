"""With ``--json`` nothing but json reaches standard output, and a reader who goes away changes no exit status."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.datasets import make
from tests.support.pictures import write_folder
from tests.support.places import ROOT

pytestmark = pytest.mark.e2e

LOUD = """
import os, sys, warnings
import augengine.dataset.run as run
made = run.augment

def loud(*arguments, **options):
    print("printed by Python")
    os.write(1, b"printed by C\\n")
    os.system("echo printed by a child")
    warnings.warn("a warning")
    return made(*arguments, **options)

import augengine.cli.augment as cli
cli.augment = loud
from augengine.cli.main import main
main()
"""


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'train'}", "PYTHONUNBUFFERED": "1"}


def augment(tiles: Path, out: Path, weights: Path, *more: str) -> list[str]:
    own = ["--in", str(tiles), "--weights", str(weights), "--mpp", "0.5", "--eps", "0.05", "--force"]
    return ["augment", "--stain", "cd68", *own, "--out", str(out), *more]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pure") / "tiles", [f"tile_{i}" for i in range(8)])


def test_what_others_print_goes_to_standard_error(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOUD, *augment(tiles, tmp_path / "out", small_weights, "--json")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"]["out"] == 8
    for said in ("printed by Python", "printed by C", "printed by a child", "a warning"):
        assert said in done.stderr


def commands(dataset: Path, tiles: Path, out: Path, weights: Path) -> dict[str, list[str]]:
    """Commands that print something, by the name that their test has."""
    return {
        "augment --json": augment(tiles, out, weights, "--json"),
        "augment": augment(tiles, out, weights),
        "verify --json": ["verify", str(dataset), "--json"],
        "verify": ["verify", str(dataset)],
        "status": ["status", str(dataset)],
        "status --json": ["status", str(dataset), "--json"],
        "replay": ["replay", str(dataset), "tile_0-v0001"],
    }


@pytest.mark.parametrize("name", commands(Path(), Path(), Path(), Path()))
def test_a_reader_who_goes_away_changes_no_exit_status(
    name: str, tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    make(tiles, tmp_path / "dataset", small_weights)
    words = commands(tmp_path / "dataset", tiles, tmp_path / "out", small_weights)[name]
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "augengine", *words]
    done = subprocess.run(command, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert "Broken pipe" not in done.stderr
    assert "fault of augengine" not in done.stderr


def kill_a_worker(out: Path, mark: str, killed: list[int]) -> None:
    """Once a shard is there, kill a worker: one of Ray's actors that carries a mark in its environment."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.05)
        if not list(out.glob("*.tar")):
            continue
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_marked = f"MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
                if is_marked and (process / "cmdline").read_bytes().startswith(b"ray::Actor"):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return
            except OSError:
                continue


@pytest.mark.ray
def test_a_worker_that_dies_leaves_the_json_alone(small_weights: Path, tmp_path: Path) -> None:
    many = write_folder(tmp_path / "many", [f"tile_{i}" for i in range(60)], height=128, width=128)
    more = ("--json", "--workers", "2", "--samples-per-shard", "1", "--variants", "4")
    command = [sys.executable, "-m", "augengine", *augment(many, tmp_path / "out", small_weights, *more)]
    mark = f"pure{os.getpid()}"
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "out", mark, killed))
    killer.start()
    done = subprocess.run(command, env=environment() | {"MARK": mark}, capture_output=True, text=True, check=False)
    killer.join()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["samples"]["written"] == 60
    assert killed  # Ray prints of it on standard output where it may, now or later


def test_a_name_that_is_too_long_is_refused(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    words = augment(tiles, tmp_path / ("a" * 300), small_weights)
    done = subprocess.run(
        [sys.executable, "-m", "augengine", *words], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "File name too long" in done.stderr
    assert "fault of augengine" not in done.stderr


def test_a_name_that_is_not_utf_8_is_refused_in_words(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/lat\xe9"
    Path(os.fsdecode(odd)).mkdir()
    command = [os.fsencode(sys.executable), b"-m", b"augengine", b"augment", b"--stain", b"cd68", b"--in", odd]
    done = subprocess.run([*command, b"--out", b"out"], env=environment(), capture_output=True, check=False)
    assert done.returncode == 2
    assert b"is in another coding than UTF-8" in done.stderr
    assert b"fault of augengine" not in done.stderr


@pytest.mark.parametrize("name", ["augment --json", "augment", "verify", "status --json"])
def test_a_standard_output_that_is_closed_is_no_fault(
    name: str, tiles: Path, small_weights: Path, tmp_path: Path
) -> None:
    make(tiles, tmp_path / "dataset", small_weights)
    words = commands(tmp_path / "dataset", tiles, tmp_path / "out", small_weights)[name]
    line = f"exec {shlex.join([sys.executable, '-m', 'augengine', *words])} >&-"
    done = subprocess.run(["sh", "-c", line], env=environment(), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["verify", "verify --json", "status"])
def test_a_standard_output_that_is_full_is_said(name: str, tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    make(tiles, tmp_path / "dataset", small_weights)
    words = commands(tmp_path / "dataset", tiles, tmp_path / "out", small_weights)[name]
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "augengine", *words]
        done = subprocess.run(command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "fault of augengine" not in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_letters_that_the_output_lacks_are_escaped(as_json: bool, small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a"])
    (source / "µ.png").write_bytes(b"no picture")
    words = augment(source, tmp_path / "Über", small_weights, *(["--json"] if as_json else []))
    command = [sys.executable, "-m", "augengine", *words]
    told = environment() | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "fault of augengine" not in done.stderr
    if as_json:
        assert json.loads(done.stdout)["failures"][0]["key"] == "µ"
