"""The eps that a probe found: read for a preview, and written into the stain's own file."""

from __future__ import annotations

import re
from pathlib import Path

from augengine.errors import SourceError, SpecError
from augengine.probing.report import Probe
from augengine.shards.records import read_json
from augengine.stains import Stain, read_stain_file
from augengine.storage.atomic import write_whole
from augengine.weights.home import find_own_stain, home

_AGAIN = "run augengine probe into it again"
_LINE = re.compile(r"^[ \t]*recommended_eps[ \t]*=.*$", re.MULTILINE)


def eps_found(folder: Path, stain: str) -> float | None:
    """The eps that `augengine probe` chose; None if no eps of its grid was within the bounds.

    Args:
        folder: What it wrote.
        stain: The stain that is looked at now, by name or file.

    Raises:
        SourceError: There is no probe, or it is of another stain.
        ShardError: It cannot be read.
    """
    file = folder / "probe.json"
    if not file.is_file():
        raise SourceError(f"there is no {file}", hint="--probe names the folder that augengine probe wrote")
    found = read_json(file, hint=_AGAIN)
    try:
        seen, eps = str(found["tissue"]["stain"]), found["choice"]["eps"]
        chosen = None if eps is None else float(eps)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{file} has unknown or missing fields: {error}", hint=_AGAIN) from error
    if seen != (own := find_own_stain(stain).name):
        raise SourceError(f"{file} is of the stain {seen}, not of {own}", hint=_AGAIN)
    return chosen


def apply_eps(found: Probe, stain: str) -> Path:
    """Write a probe's eps as ``recommended_eps`` into the stain's TOML file.

    A stain that was named by its file is changed there; another one gets a file among the user's own stains.

    Returns:
        The file.

    Raises:
        SpecError: The probe found no eps, or a pair that should not be used.
        TargetError: The file cannot be written.
    """
    if not found.is_good:
        raise SpecError(f"the pair is not to be used: {found.verdict.sentence()}", hint="nothing was written")
    if found.choice.eps is None:
        raise SpecError(f"no eps was found: {found.choice.reason}", hint="look at the verdict; nothing was written")
    file = Path(stain) if stain.endswith(".toml") else home() / "stains" / f"{stain}.toml"
    text = read_stain_file(file) if file.is_file() else find_own_stain(stain).to_toml()
    changed = _with_eps(text, found.choice.eps)
    Stain.from_text(changed, file)  # never leave a file that is no stain
    write_whole(file, changed.encode(), hint="make it writable, or name the stain by a file of yours")
    return file


def _with_eps(text: str, eps: float) -> str:
    """A stain's file with another eps; its other lines and comments stay."""
    line = f"recommended_eps = {eps:g}"
    return _LINE.sub(line, text, count=1) if _LINE.search(text) else f"{text.rstrip()}\n{line}\n"
