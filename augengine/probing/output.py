"""Writing what was found; a place that cannot be written is refused before the work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augengine.errors import TargetError
from augengine.storage.atomic import write_whole

_HINT = "name another place with --out"


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it.

    Raises:
        TargetError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(folder, error) from error


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, in order.

    Raises:
        TargetError: One cannot be written.
    """
    for file, data in contents.items():
        write_whole(file, data, hint=_HINT)


def _refusal(path: Path, error: OSError) -> TargetError:
    return TargetError(f"cannot write {path}: {error.strerror}", hint=_HINT)
