"""Datasets from elsewhere: a sound one, in which fields, bytes or kinds of files were changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from augengine.errors import AugengineError
from augengine.loader import open_dataset
from augengine.runs import Owner, read_status
from augengine.shards.verify import verify

SOUND, TRIED = "sound", "tried"
JSON_FILES = ("plan.json", "run.json", "quarantine.json", "lock", "summary.json", "SHARD.json")
OTHERS = ("../SHARD.idx", "../SHARD.tar", "../README.md")
VALUES = st.one_of(
    st.sampled_from(
        [
            *(None, True, 0, -1, 1 << 63, 10**400, 0.5, 1e308, "", "x", "../../etc/passwd", "a\nb", "\x1b[2J", [], {}),
            *("s3://nowhere/x", "/dev/zero", [[]], {"": {}}, "9" * 5000, list(range(3000))),
        ]
    ),
    st.text(max_size=5),
    st.recursive(st.integers(-2, 2), lambda inner: st.lists(inner, max_size=3), max_leaves=8),
)
TEXTS = st.sampled_from([b"", b"{", b"[" * 50_000, b'{"a": NaN}', b"null", b"\xff\xfe", b"[]", b"0" * 70_000, b'"x"'])


def as_a_killed_run_leaves_it(dataset: Path) -> None:
    """Put the files into a sound dataset that only an unfinished one has: a lock of a dead process, a quarantine."""
    own = dataset / ".augengine"
    (own / "lock").write_text(json.dumps({**asdict(Owner.me()), "start": "before"}))
    (own / "quarantine.json").write_text(json.dumps({"gone-000000": {"3": {"reason": "it kills", "digest": "x"}}}))


def made_up() -> st.SearchStrategy[Any]:
    """Up to three changes, each with the file that it is made in."""
    where = st.tuples(
        st.sampled_from(JSON_FILES), st.integers(0, 10_000), st.sampled_from(["set", "set", "drop", "add"])
    )
    fields = st.tuples(st.just("field"), where, VALUES)
    texts = st.tuples(st.just("text"), st.sampled_from(JSON_FILES + OTHERS), TEXTS)
    pieces = st.tuples(
        st.just("piece"), st.tuples(st.sampled_from(JSON_FILES + OTHERS), st.floats(0, 1)), st.binary(max_size=6)
    )
    kinds = st.tuples(
        st.just("kind"),
        st.sampled_from(JSON_FILES + OTHERS),
        st.sampled_from(["pipe", "folder", "zero", "sparse", "gone", "out"]),
    )
    return st.lists(st.one_of(fields, fields, texts, pieces, kinds), min_size=1, max_size=3)


def holds(value: list[tuple[str, Any, Any]], folder: Path) -> bool:
    """What reads it says what it found or refuses it, and changes nothing."""
    tried = folder / TRIED
    shutil.rmtree(tried, ignore_errors=True)
    shutil.copytree(folder / SOUND, tried)
    shard = next(iter(sorted(tried.glob("*.tar")))).stem
    for change, where, what in value:
        _change(change, tried / ".augengine", shard, where, what)
    before = _state(tried)
    taken = [_reads(tried, number) for number in range(3)]
    assert _state(tried) == before
    return all(taken)


def _change(change: str, own: Path, shard: str, where: Any, what: Any) -> None:
    name = where if isinstance(where, str) else where[0]
    file = own / name.replace("SHARD", shard)
    match change:
        case "field":
            if _is_small(file):
                _set(file, where[1], where[2], what)
        case "text":
            _put(file, what)
        case "piece":
            if _is_small(file):
                data = file.read_bytes()
                at = int(where[1] * len(data))
                _put(file, data[:at] + what + data[at + len(what) :])
        case _:
            _exchange(file, what)


def _is_small(file: Path) -> bool:
    """Whether an earlier change has left it a file that can be read here."""
    return file.is_file() and not file.is_symlink() and file.stat().st_size < 1 << 20


def _put(file: Path, data: bytes) -> None:
    if file.exists() and not file.is_file() and not file.is_symlink():
        return
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def _set(file: Path, number: int, how: str, value: Any) -> None:
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return
    if not (places := list(_places(data))):
        return
    holder, key = places[number % len(places)]
    if how == "drop":
        del holder[key]
    elif how == "add" and isinstance(holder, dict):
        holder[f"{key} too"] = value
    else:
        holder[key] = value
    _put(file, json.dumps(data).encode())


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    names = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for name in names:
        yield data, name
        yield from _places(data[name])


def _exchange(file: Path, kind: str) -> None:
    if file.is_dir() and not file.is_symlink():
        return
    file.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "zero":
            file.symlink_to("/dev/zero")
        case "sparse":
            file.touch()
            os.truncate(file, 4 << 30)
        case "out":
            file.symlink_to("/etc/passwd")


def _reads(tried: Path, number: int) -> bool:
    try:
        match number:
            case 0:
                json.dumps(read_status(tried).to_json(), allow_nan=False)
            case 1:
                return verify(tried).ok
            case _:
                for _ in open_dataset(tried, p=0.5):
                    pass
    except AugengineError:
        return False
    return True


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = ((file, file.lstat()) for file in folder.rglob("*"))
    return {str(file): (stat.st_mode, stat.st_size, stat.st_mtime_ns) for file, stat in found}
