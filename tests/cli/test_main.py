"""The command line: what it prints where, and with which status it leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import COMMANDS, main
from augengine.shards.verify import verify
from tests.support.commands import all_commands
from tests.support.datasets import digests, leftovers
from tests.support.pictures import decode, write_folder
from tests.support.places import ROOT

pytestmark = pytest.mark.e2e


def call(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def augment_options(source: Path, out: Path, weights: Path, *more: object) -> list[object]:
    said = ("--stain", "cd68", "--eps", 0.05, "--mpp", 0.5)
    return ["augment", "--force", *said, "--in", source, "--out", out, "--weights", weights, *more]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small tiles with masks."""
    return write_folder(tmp_path_factory.mktemp("in"), [f"tile_{i}" for i in range(4)], masks=True)


@pytest.fixture(scope="module")
def dataset(tiles: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of two sources with two variants each."""
    out = tmp_path_factory.mktemp("out")
    more = ("--variants", 2, "--samples-per-shard", 2)
    assert call(*augment_options(tiles, out, small_weights, *more)).exit_code == 0
    return out


@pytest.fixture
def damaged(dataset: Path, tmp_path: Path) -> Path:
    """The dataset with one bit turned in the pixels of ``tile_2-v0001``."""
    copy = tmp_path / "damaged"
    shutil.copytree(dataset, copy)
    shard = copy / "cd68-000001.tar"
    with tarfile.open(shard) as tar:
        member = tar.getmember("tile_2-v0001.png")
    data = bytearray(shard.read_bytes())
    data[member.offset_data + member.size // 2] ^= 1
    shard.write_bytes(data)
    return copy


def refused(result: Result, *words: str) -> None:
    """It left with 2 and said why in a line, and what to do next in another."""
    error, hint = result.stderr.splitlines()[-2:]
    assert result.exit_code == 2
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert all(word in error for word in words)
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in all_commands().items():
        assert call(name, "--help").exit_code == 0
        assert command.help, name
        silent = [p.name for p in command.params if isinstance(p, click.Option) and not (p.help or p.hidden)]
        assert silent == [], name


@pytest.mark.parametrize(("command", "groups"), [("augment", 6), ("tile", 5)])
def test_the_help_of_commands_with_many_options_is_grouped(command: str, groups: int) -> None:
    lines = call(command, "--help").output.splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith((" ", "Usage"))]
    assert len(titles) == groups + (command == "tile")
    assert {"Input:", "What is drawn:" if command == "augment" else "What is cut:", "Output:", "Running:"} <= set(
        titles
    )
    assert max(map(len, lines)) <= 80


def test_every_command_stands_on_a_page_for_users() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs" / "guide").glob("*.md"), *(ROOT / "docs" / "reference").glob("*.md")]
    text = "".join(page.read_text() for page in pages)
    assert not [name for name in COMMANDS if f"augengine {name}" not in text]


def test_a_complete_run_leaves_with_0_and_says_what_it_made(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    result = call(*augment_options(tiles, tmp_path / "out", small_weights))
    assert result.exit_code == 0
    assert result.stdout.startswith("4 samples in 1 shard")
    assert "engines: openvino" in result.stderr


def test_json_is_alone_on_standard_output(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    result = call(*augment_options(tiles, tmp_path / "out", small_weights, "--json"))
    said = json.loads(result.stdout)
    assert (said["samples"]["in"], said["samples"]["out"], said["failures"]) == (4, 4, [])
    assert result.stderr == ""


def test_bad_samples_leave_with_1_until_they_are_allowed(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(tiles, source)
    (source / "tile_1.png").write_bytes(b"no picture")
    options = augment_options(source, out, small_weights)
    first, again = call(*options), call(*options)
    assert (first.exit_code, again.exit_code) == (1, 1)
    assert "tile_1: " in again.stdout
    assert call(*options, "--allow-failures", 1).exit_code == 0


def test_a_refusal_leaves_with_2_a_line_and_a_hint(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(call(*augment_options(tiles, out, small_weights, "--eps", 0)), "eps must be in (0, 2], got 0.0")
    refused(call(*augment_options(tiles, out, small_weights, "--stain", "cd3")), "unknown stain 'cd3'")
    refused(call(*augment_options(tmp_path / "none", out, small_weights)), "there is no")
    refused(call("augment", "--stain", "cd34", "--out", out), "cd34")
    refused(call(*augment_options(tiles, tmp_path / "far", small_weights, "--ray", "ray://host:10001")), "ray://")
    refused(call("verify", tiles), "holds no plan")
    assert not out.exists()


def test_a_traceback_is_for_those_who_ask(tmp_path: Path) -> None:
    asked = call("--debug", "verify", tmp_path)
    assert asked.exit_code == 2
    assert "Traceback" in asked.stderr
    assert "ShardError" in asked.stderr
    assert "Traceback" not in call("verify", tmp_path).stderr


@pytest.mark.parametrize("workers", ["banana", "0", "-1", "1.5", ""])
def test_a_number_of_workers_that_is_none_is_refused(workers: str, tmp_path: Path) -> None:
    result = call("augment", "--force", "--stain", "cd68", "--out", tmp_path / "out", "--workers", workers)
    assert result.exit_code == 2
    assert "neither auto nor a number" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("sheet", ".", "--rows", 0),
        ("build-engines", "--size", 0),
        ("augment", "--stain", "cd68", "--out", "out", "--allow-failures", -1),
    ],
)
def test_a_count_below_its_least_is_refused(arguments: tuple[object, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr


def test_a_dry_run_predicts_and_writes_nothing(tiles: Path, small_weights: Path, tmp_path: Path) -> None:
    options = augment_options(tiles, tmp_path / "out", small_weights, "--variants", 3, "--include-source", "--dry-run")
    assert "4 samples become 16 in 1 shard" in call(*options).stdout
    said = json.loads(call(*options, "--json").stdout)
    assert (said["samples_in"], said["samples_out"]) == (4, 16)
    assert said["minutes"] > 0
    assert not (tmp_path / "out").exists()


def test_verify_leaves_with_0_for_a_sound_dataset(dataset: Path) -> None:
    result = call("verify", dataset)
    assert result.exit_code == 0
    assert result.stdout == "2 shards, 8 samples: sound\n"


def test_verify_names_a_turned_bit(damaged: Path) -> None:
    result = call("verify", damaged)
    assert result.exit_code == 1
    assert "cd68-000001: the tar's sha256 is" in result.stdout
    said = json.loads(call("verify", damaged, "--json").stdout)
    assert said["ok"] is False
    assert all(problem.startswith("cd68-000001") for problem in said["problems"])


def test_replay_makes_the_same_bytes_again(dataset: Path) -> None:
    for key in ("tile_0-v0001", "tile_3-v0002"):
        result = call("replay", dataset, key)
        assert (result.exit_code, "the same bytes" in result.stdout) == (0, True)


def test_replay_tells_where_a_sample_differs(damaged: Path) -> None:
    assert call("replay", damaged, "tile_2-v0002").exit_code == 0
    result = call("replay", damaged, "tile_2-v0001", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "key": "tile_2-v0001", "shard": "cd68-000001", "same": False, "differing": ["png"],
    }  # fmt: skip


def test_replay_of_a_key_that_is_not_there_is_refused(dataset: Path) -> None:
    refused(call("replay", dataset, "tile_0"), "no sample 'tile_0'")
    refused(call("replay", dataset, "tile_0-v0009"), "no sample 'tile_0-v0009'")


def test_replay_without_the_source_is_refused(small_weights: Path, tmp_path: Path) -> None:
    source, out = write_folder(tmp_path / "in", ["a", "b"]), tmp_path / "out"
    assert call(*augment_options(source, out, small_weights)).exit_code == 0
    (source / "a.png").unlink()
    refused(call("replay", out, "a-v0001"), "changed")


def test_a_sheet_is_a_picture_with_a_row_a_source(dataset: Path, tmp_path: Path) -> None:
    heights = []
    for rows in (1, 2):
        out = tmp_path / f"{rows}.png"
        result = call("sheet", dataset, "--out", out, "--rows", rows)
        assert (result.exit_code, result.stdout) == (0, f"{out}\n")
        page = decode(out.read_bytes())
        assert page.shape[2] == 3
        assert len(np.unique(page)) > 50
        heights.append(page.shape[0])
    assert heights[1] > heights[0] + 48


def test_engines_are_built_and_their_budget_is_told(small_weights: Path, own_home: Path) -> None:
    result = call("build-engines", "--stain", "cd68", "--size", 64, "--weights", small_weights, "--json")
    assert result.exit_code == 0
    pairs = json.loads(result.stdout)
    exact = next(pair for pair in pairs if pair["precision"] == "float32")
    assert (exact["stain"], exact["height"], exact["width"], exact["budget"]) == ("cd68", 64, 64, None)
    assert all((own_home / "engines" / exact[side]).is_dir() for side in ("to_reference", "from_reference"))
    table = call("build-engines", "--stain", "cd68", "--size", 64, "--weights", small_weights).stdout
    assert all(word in table for word in ("cd68", "64 x 64", "float32", "equals"))


def interrupted(options: list[object], out: Path, number: signal.Signals) -> tuple[int, str]:
    """Status and standard error of a run that gets a signal once its first shard is committed."""
    command = [sys.executable, "-m", "augengine", *map(str, options)]
    # As a terminal starts it: what runs under nohup has SIGHUP ignored, and hands that on.
    start = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=start) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob(".augengine/cd68-*.json")) and time.monotonic() < deadline:
            assert process.poll() is None, "the run was over before it could be interrupted"
            time.sleep(0.02)
        os.kill(process.pid, number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_with_130_and_is_gone_on_with(
    number: signal.Signals, small_weights: Path, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", [f"tile_{i:02d}" for i in range(60)])
    out, clean = tmp_path / "out", tmp_path / "clean"
    more: tuple[Any, ...] = ("--samples-per-shard", 1, "--variants", 40)
    status, said = interrupted(augment_options(source, out, small_weights, *more), out, number)
    assert status == 130
    assert said.splitlines()[-1].startswith("interrupted: finished shards are kept")
    assert leftovers(out) == []
    committed = len(list(out.glob(".augengine/cd68-*.json")))
    assert 0 < committed < 60
    for folder in (out, clean):
        result = call(*augment_options(source, folder, small_weights, *more, "--json"))
        assert json.loads(result.stdout)["run"]["shards_resumed"] == (committed if folder == out else 0)
    assert verify(out).ok
    assert digests(out) == digests(clean)


def test_the_list_says_of_each_command_what_its_own_help_says() -> None:
    for name, command in all_commands().items():
        assert command.name == name
        assert (command.help or "").strip().splitlines()[0] == COMMANDS[name].purpose
