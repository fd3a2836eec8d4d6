"""Which generators and engines are found here."""

from __future__ import annotations

from pathlib import Path

from augengine.doctor.finding import Finding
from augengine.doctor.hardware import MIN_FREE, look_at_room
from augengine.engines.store import ENGINES
from augengine.errors import AugengineError
from augengine.weights.cards import list_weights
from augengine.weights.home import SAMPLE_WEIGHTS, home, weight_roots


def look_at_what_was_made() -> list[Finding]:
    """The home folder, its generators and engines."""
    try:
        return [Finding(what="home", value=str(home())), _room(), _weights(), _engines(home() / ENGINES)]
    except AugengineError as error:
        return [Finding(what="home", value=error.message, level="problem", advice=error.hint or "")]


def _weights() -> Finding:
    pairs = [*list_weights(weight_roots()), *list_weights([SAMPLE_WEIGHTS])]
    if not pairs:
        return Finding(what="generators", value="none", level="problem", advice="install the package again")
    return Finding(what="generators", value=", ".join(f"{pair.reference}-{pair.name}" for pair in pairs))


def _engines(store: Path) -> Finding:
    folders = [file.parent for file in store.glob("*/manifest.json")]
    size = sum(file.stat().st_size for folder in folders for file in folder.iterdir() if file.is_file())
    if not folders:
        return Finding(what="engines", value="none yet", advice="commands compile what they need, in seconds on a CPU")
    return Finding(what="engines", value=f"{len(folders)}, {size / 1e6:.0f} MB in {store}")


def _room() -> Finding:
    """On the disk of the home, which may not be there yet."""
    disk = next(each for each in (home(), *home().parents) if each.exists())
    return look_at_room("room for engines", disk, MIN_FREE, "name a larger disk in AUGENGINE_HOME")
