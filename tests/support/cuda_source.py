"""CUDA source without a GPU: its arithmetic compiled for this processor, and its syntax checked by nvcc."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest


def for_this_processor(source: str, folder: Path) -> ctypes.CDLL:
    """C source as a library: plain C but for ``__device__``, and the functions that a test calls.

    The test is skipped where there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler to check the kernel's arithmetic with")
    (folder / "kernel.c").write_text(f"#include <math.h>\n#define __device__\n{source}")
    command = [compiler, "-O1", "-ffp-contract=off", "-shared", "-fPIC", "kernel.c", "-o", "kernel.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernel.so"))


def to_ptx(source: str, folder: Path) -> str:
    """What nvcc makes of CUDA source, every warning being an error; the test is skipped where there is no nvcc."""
    nvcc, host_compiler = shutil.which("nvcc"), shutil.which("g++")
    if nvcc is None or host_compiler is None:
        pytest.skip("no nvcc to compile the kernel with")
    (folder / "kernel.cu").write_text(source)
    command = [nvcc, "-ptx", "--fmad=false", "-Werror=all-warnings", "kernel.cu", "-o", "kernel.ptx"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "kernel.ptx").read_text()
