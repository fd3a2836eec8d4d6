"""The home folder, and which stains, generators and engines are found in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from augengine.doctor.finding import Finding
from augengine.doctor.hardware import MIN_FREE, look_at_room
from augengine.engines.store import ENGINES
from augengine.errors import AugengineError
from augengine.weights.home import home
from augengine.weights.stain_list import list_stains

_ELSEWHERE = "name a folder that can be written in AUGENGINE_HOME"


def look_at_what_was_made() -> list[Finding]:
    """The home folder, its stains, generators and engines; where there is no home, that alone."""
    found = _told("home", _home)
    return [found] if found.level == "problem" else [found, _room(), _told("generators", _generators), _engines()]


def _told(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except AugengineError as error:
        return Finding(what=what, value=error.message, level="problem", advice=error.hint or "")


def _home() -> Finding:
    standing = _standing(home())
    if not standing.is_dir():
        return Finding(what="home", value=f"{standing} is no folder", level="problem", advice=_ELSEWHERE)
    if not os.access(standing, os.W_OK | os.X_OK):
        return Finding(what="home", value=f"{standing} cannot be written", level="problem", advice=_ELSEWHERE)
    return Finding(what="home", value=str(home()))


def _standing(folder: Path) -> Path:
    """The nearest part of a path that is there already."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _room() -> Finding:
    return look_at_room("room for engines", _standing(home()), MIN_FREE, "name a larger disk in AUGENGINE_HOME")


def _generators() -> Finding:
    known = list_stains()
    pairs = ", ".join(f"{pair.reference}-{pair.name}" for each in known.stains for pair in each.pairs)
    if known.unreadable:
        first = known.unreadable[0]
        return Finding(what="generators", value=pairs, level="problem", advice=f"{first}; see augengine stains")
    return Finding(what="generators", value=pairs)


def _engines() -> Finding:
    store = home() / ENGINES
    folders = [file.parent for file in store.glob("*/manifest.json")]
    size = sum(file.stat().st_size for folder in folders for file in folder.iterdir() if file.is_file())
    if not folders:
        return Finding(what="engines", value="none yet", advice="commands compile what they need, in seconds on a CPU")
    return Finding(what="engines", value=f"{len(folders)}, {size / 1e6:.0f} MB in {store}")
