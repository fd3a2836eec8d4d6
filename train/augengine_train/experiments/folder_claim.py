"""What decides a folder's numbers, noted in it, so that none are mixed with those of something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augengine.errors import PlanMismatch, TargetError
from augengine.storage.atomic import write_whole


def claim(decides: Mapping[str, Any], file: Path, what: str) -> None:
    """Note what decides the numbers of a folder, or see that it is what was noted before.

    Args:
        decides: Name -> plain json value.
        file: Where in the folder; the folder is made if missing.
        what: The folder holds, for the message.

    Raises:
        PlanMismatch: The folder holds another one.
        TargetError: It cannot be read or written.
    """
    wanted = json.loads(json.dumps(decides))
    try:
        if not file.exists():
            write_whole(file, json.dumps(wanted, indent=2) + "\n", hint="choose another --out")
        before = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TargetError(f"{file} cannot be used: {error}", hint="choose another --out") from error
    if changed := [name for name in wanted if before.get(name) != wanted[name]]:
        name = changed[0]
        raise PlanMismatch(
            f"{file.parent} holds another {what}: {name} {before.get(name)} there, {wanted[name]} wanted",
            hint="choose another --out, or the options, data and generators of then",
        )
