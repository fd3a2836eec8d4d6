"""The command as a user types it: how soon it writes, and how much memory its processes take at most."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from augengine.spec import Precision
from benchmarks.memory import PROBE
from benchmarks.speed.material import NOISE, STAIN, Material

_POLL_S = 0.05
_PATIENCE_S = 600.0


def command_row(material: Material, precision: Precision, variants: int) -> dict[str, Any]:
    """One run of ``augengine augment`` in a fresh process, its engines in the store already."""
    out = material.folder / "command"
    began = time.monotonic()
    options = ["--stain", STAIN, "--eps", str(NOISE.eps), "--mpp", "0.5", "--variants", str(variants), "--in"]
    options += [str(material.source), "--out", str(out), "--weights", str(material.weights), "--precision", precision]
    command = [sys.executable, "-c", PROBE, sys.executable, "-m", "augengine", "augment", "--force", *options]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    started = _first_shard(out, run, began)
    printed = run.communicate(timeout=_PATIENCE_S)[0]
    assert run.returncode == 0, "augment failed"
    return {
        "first_shard_started_s": started,
        "seconds": round(time.monotonic() - began, 2),
        "peak_mib": round(int(printed) / 1024, 1),
    }


def _first_shard(out: Path, run: subprocess.Popen[str], began: float) -> float:
    """Seconds until the first tar is being written."""
    while run.poll() is None and not any((out / ".augengine" / "spool").glob("*")) and not any(out.glob("*.tar")):
        time.sleep(_POLL_S)
    return round(time.monotonic() - began, 2)
