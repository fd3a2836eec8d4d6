"""Where augengine keeps what it has made, and the folders in which generators are looked for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from augengine.errors import SpecError, WeightsError, missing_package
from augengine.stains import Stain, find_stain

SAMPLE_WEIGHTS = Path(__file__).parent / "sample"
"""Root of the pair that knows the drawn tissue of the sample set. Only a run on the sample set looks here."""


HOME_FORMAT = 1
"""Format of the folder that `home` names; the folder's file ``format`` holds this number."""

_FORMAT_FILE = "format"


def home() -> Path:
    """Where augengine keeps weights and engines: ``$AUGENGINE_HOME``, or the user's data folder.

    Raises:
        SpecError: Another version of augengine made the folder, in another format, or the format cannot be read.
    """
    folder = _home()
    _check_format(folder)
    return folder


def open_home() -> Path:
    """The folder that `home` names, made and marked with its format, for whoever writes there.

    Raises:
        SpecError: Another version of augengine made the folder, in another format.
    """
    folder = home()
    file = folder / _FORMAT_FILE
    with suppress(OSError):  # on a disk that cannot be written, whoever writes there says so better
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(f"{HOME_FORMAT}\n")
    return folder


def _home() -> Path:
    if own := os.environ.get("AUGENGINE_HOME"):
        return Path(own).expanduser()
    try:
        from platformdirs import user_data_path  # not needed, and so not asked for, where the variable is set
    except ModuleNotFoundError as error:
        raise missing_package("the user's data folder", error, "'augengine[write]'") from error
    return user_data_path("augengine")


def _check_format(folder: Path) -> None:
    """Refuse another format's folder. One without a number was made by hand; an empty file is just being written."""
    try:
        found = (folder / _FORMAT_FILE).read_text(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        hint = "permit reading, or name another folder in AUGENGINE_HOME"
        raise SpecError(f"cannot read the format of {folder}: {error.strerror}", hint=hint) from error
    if found not in ("", str(HOME_FORMAT)):
        raise SpecError(
            f"{folder} has the format {found[:20]!r}, this version of augengine reads {HOME_FORMAT}",
            hint="use the version that made it, or name another folder in AUGENGINE_HOME",
        )


def weight_roots(named: Path | None = None, *, sample_set: bool = False) -> tuple[Path, ...]:
    """The folders that are searched, in order: ``home() / "weights"``, then the package's own (read-only).

    Args:
        named: The folder that the user names. It is searched alone: other generators in place of those that it lacks
            would not be noticed.
        sample_set: The images are those of the sample set: its own pair alone serves, unless the user names a folder.

    Raises:
        WeightsError: ``named`` is no folder.
    """
    if named is not None and not named.is_dir():
        raise WeightsError(f"the weights folder {named} does not exist", hint="--weights names an existing folder")
    if named is not None:
        return (named,)
    return (SAMPLE_WEIGHTS,) if sample_set else (home() / "weights", Path(__file__).parent)


def find_own_stain(name: str) -> Stain:
    """The stain of this name, the user's own in ``home() / "stains"`` too, or of a TOML file.

    Raises:
        StainError: Nothing of that name.
    """
    return find_stain(name, home() / "stains")


def reference_of(stain: Stain) -> str:
    """The stain that a stain is translated to.

    Raises:
        SpecError: It is a reference stain itself.
    """
    if stain.reference is None:
        raise SpecError(f"{stain.name} is a reference stain", hint="name a stain that is translated to it, as cd68")
    return stain.reference
