"""A Ray of our own is reached from this machine alone, and only with its run's token."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from augengine.errors import WorkerError
from augengine.fleet.cluster import join
from augengine.fleet.seclusion import secluded, user_settings
from tests.support.workers import worker

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

_JOIN = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)
print("joined")
"""
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_LISTENS = "0A"
_V4 = "0100007F"
_V4_IN_V6 = "0000000000000000FFFF00000100007F"
"""127.0.0.1 in /proc/net/tcp and tcp6."""
_AT_ONCE = {"RAY_NUM_REDIS_GET_RETRIES": "1"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", *_LOOPBACK):
        monkeypatch.delenv(name, raising=False)


def test_ray_of_our_own_keeps_to_loopback_and_refuses_strangers(tmp_path: Path) -> None:
    before = dict(os.environ)
    with join(None, 1, worker(tmp_path)) as cluster:
        token = os.environ["RAY_AUTH_TOKEN"]
        context = cluster.ray.get_runtime_context()
        answers = _join_all(context.gcs_address, [{}, _token("0" * 64), _token(token)])
        assert [code for code, _ in answers] == [1, 1, 0]
        assert all("InvalidAuthToken" in said for _, said in answers[:2])
        assert _listening() == {_V4, _V4_IN_V6}
        session = Path(cluster.ray._private.worker._global_node.get_session_dir_path())
        assert not [file for file in session.rglob("*") if file.is_file() and token.encode() in file.read_bytes()]
        assert not [pid for pid in _family() if token.encode() in _command(pid)]
        with pytest.raises(WorkerError, match="connected to Ray already"), join(None, 1, worker(tmp_path)):
            pass
    changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
    assert not {name for name in changed if "AUTH" in name}


def _token(token: str) -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


def _join_all(address: str, settings: list[dict[str, str]]) -> list[tuple[int, str]]:
    """Exit status and words of processes with these tokens that would join, all at once."""
    bare = {name: value for name, value in os.environ.items() if "RAY_AUTH" not in name}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _JOIN, address],
            env=bare | _LOOPBACK | _AT_ONCE | {"RAY_AUTH_MODE": "disabled"} | each,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for each in settings
    ]
    said = [each.communicate(timeout=100)[0] for each in started]
    return [(each.returncode, text) for each, text in zip(started, said, strict=True)]


def _listening() -> set[str]:
    """Addresses on which this process or its descendants listen, as the kernel writes them."""
    inodes = {inode for pid in _family() for inode in _sockets(pid)}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].rpartition(":")[0] for line in lines if line[3] == _LISTENS and line[9] in inodes}


def _family() -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family, children = set[int](), {os.getpid()}
    while children:
        family |= children
        children = {pid for pid, parent in parents.items() if parent in children}
    return family


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _sockets(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            found.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def test_every_run_has_another_token_and_the_users_own_word_on_tokens_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = _ray()
    tokens = []
    for _ in range(2):
        with secluded(ray):
            tokens.append(os.environ["RAY_AUTH_TOKEN"])
    assert len({*tokens}) == len(tokens)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with secluded(ray):
        assert "RAY_AUTH_TOKEN" not in os.environ
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", his := "his own")
    for settings in (secluded, user_settings):
        with settings(ray):
            assert ray._raylet.AuthenticationTokenLoader.instance().get_raw_token() == os.environ["RAY_AUTH_TOKEN"]
            assert os.environ["RAY_AUTH_TOKEN"] == his
    assert os.environ["RAY_AUTH_TOKEN"] == his


def _ray() -> Any:
    import ray

    return ray
