"""The tests that need a GPU, file by file: each runs where the packages that it needs are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from benchmarks.gpu.part import Row, Rows, Setting, require_gpu

_GRAPH = ("cupy", "msgspec", "nvidia.dali", "nvidia.nvimgcodec", "cv2", "PIL")
_JOB = (*_GRAPH, "fsspec", "braceexpand", "skimage")

FILES: Mapping[str, Sequence[str]] = {
    "tests/engines/test_fused.py": ("torch", "triton"),
    "tests/chain/test_noise_gpu.py": ("cupy",),
    "tests/chain/test_finite_gpu.py": ("cupy",),
    "tests/engines/test_torch.py": ("torch", "cupy"),
    "tests/engines/test_tensorrt.py": ("tensorrt|tensorrt_rtx", "cupy"),
    "tests/chain/test_dali_gpu.py": _GRAPH,
    "tests/dataset/test_run_gpu.py": _JOB,
    "tests/augengine_train/cyclegan/test_trainer_gpu.py": ("torch", "accelerate", "scipy", "tensorboard"),
}
"""File -> the packages without which it is ``missing``; of names joined by ``|`` one is enough."""

_TAIL = 4000


def tests(setting: Setting) -> Rows:
    """File -> how its tests marked ``gpu`` went; within a file that runs, a skip is a failure."""
    require_gpu(setting)
    for file, packages in FILES.items():
        yield (file,), run_file(file, packages, collects=setting.device == "cpu")


def run_file(file: str, packages: Sequence[str], *, collects: bool = False) -> Row:
    """``passed``, ``failed`` or ``missing``, with the line or the output that says it; ``collects`` runs none."""
    if lacking := [name for name in packages if not any(map(_is_installed, name.split("|")))]:
        return {"missing": f"not installed: {', '.join(lacking)}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(["--collect-only"] if collects else ["-m", "gpu"]), file],
        capture_output=True,
        text=True,
        env=os.environ | {"AUGENGINE_REQUIRE_GPU": "1"},
        check=False,
    )
    if done.returncode:
        return {"failed": (done.stdout + done.stderr)[-_TAIL:]}
    return {"passed": done.stdout.strip().splitlines()[-1]}


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
