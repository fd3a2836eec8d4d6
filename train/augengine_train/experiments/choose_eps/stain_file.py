"""The recommended eps in a stain's TOML file: one line is changed or added, all else stays, comments too."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from augengine.errors import StainError, TargetError
from augengine.stains import Stain, read_stain_file
from augengine.storage.atomic import write_whole


def recommend_eps(stain: Stain, eps: float, file: Path) -> Stain:
    """Write an eps as the recommended one into a stain's TOML file.

    Args:
        stain: What a file that is not there yet is made from.
        eps: The eps to start with, in units of the [-1, 1] range.
        file: The stain file; it and its folder are made if they are missing.

    Returns:
        The stain as the file now says it.

    Raises:
        SpecError: An eps out of range.
        StainError: The file is another stain's, is laid out in a way that cannot be changed safely, or cannot be
            read or written; it is as it was before.
    """
    old = read_stain_file(file) if file.exists() else stain.to_toml()
    before = Stain.from_text(old, file)
    if before.name != stain.name:
        raise StainError(f"{file} describes the stain {before.name!r}, not {stain.name!r}", hint="choose another file")
    wanted = replace(before, recommended_eps=eps)
    new = _with_line(old, f"recommended_eps = {eps!r}")
    if Stain.from_text(new, file) != wanted:
        raise StainError(f"{file} cannot be changed safely", hint=f"write recommended_eps = {eps!r} into it by hand")
    try:
        write_whole(file, new)
    except TargetError as error:
        raise StainError(f"cannot write the stain file: {error.message}", hint="check its permissions") from error
    return wanted


def _with_line(text: str, line: str) -> str:
    """A TOML text whose top-level assignment of that key is ``line``, in its place or at the end."""
    key = line.partition(" ")[0]
    changed, count = re.subn(rf"^{key}[ \t]*=[^#\n]*?(?=[ \t]*(#.*)?$)", lambda _: line, text, flags=re.MULTILINE)
    return changed if count else f"{text.rstrip()}\n{line}\n"
