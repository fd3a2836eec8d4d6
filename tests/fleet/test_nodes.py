"""Nodes that join while a run goes on work only if they pass what the first ones were asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.datasets import digests, leftovers, make
from tests.support.node_cluster import WITHOUT_TOKENS, node_cluster, with_version
from tests.support.pictures import write_folder

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow]

NAMES = [f"tile_{i:02d}" for i in range(24)]


def test_a_late_node_of_another_class_is_refused_and_one_like_the_first_goes_on(
    small_weights: Path, tmp_path: Path
) -> None:
    tiles, out = write_folder(tmp_path / "tiles", NAMES, masks=True, height=320, width=320), tmp_path / "out"
    assert make(tiles, tmp_path / "clean", small_weights, samples_per_shard=1, variants=2).complete()
    first, second, other, third = (str(tmp_path / name) for name in ("first", "second", "other", "third"))
    with node_cluster(first, second) as nodes:
        run = _start(nodes.address, tiles, out, small_weights)
        packages = with_version(tmp_path / "packages", "openvino", "2020.1")
        _wait_for(lambda: len([*(out / ".augengine").glob("cd68-*.json")]) >= 3, run)
        nodes.kill(first)  # before another joins, which takes as long as all of the shards
        nodes.kill(second)
        nodes.add(f"{other}={packages}")
        said = _wait_for_word("joined late and gets no shards: its bytes would differ", run)
        nodes.add(third)
        said += run.communicate(timeout=200)[0]
    assert run.returncode == 0, said
    assert digests(out) == digests(tmp_path / "clean")
    assert leftovers(out) == []
    assert not Path(other, "engines").exists()
    assert len([*Path(third, "engines").glob("[!.]*/")]) == 2


def _start(address: str, tiles: Path, out: Path, weights: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "augengine", "augment", "--force", "--stain", "cd68", "--eps", 0.05, "--mpp", 0.5]
    command += ["--in", tiles, "--out", out, "--weights", weights, "--samples-per-shard", 1, "--variants", 2]
    return subprocess.Popen(
        [str(word) for word in [*command, "--ray", address]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | WITHOUT_TOKENS,
    )


def _wait_for(happens: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not happens():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)


def _wait_for_word(word: str, run: subprocess.Popen[str]) -> str:
    """All that it says until it says this."""
    assert run.stdout is not None
    said = ""
    while word not in said:
        line = run.stdout.readline()
        assert line, said
        said += line
    return said
