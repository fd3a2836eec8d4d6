"""Whether Triton can run is decided as Triton decides it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from augengine.engines import fusing
from augengine.engines.fusing import REVISION, fusing_version, why_no_launchers


@pytest.fixture
def include(tmp_path: Path) -> Path:
    (tmp_path / "Python.h").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("there", "environment", "reason"),
    [
        ({"gcc"}, {}, ""),
        ({"clang"}, {}, ""),
        ({"cc"}, {}, "no C compiler: gcc or clang"),
        ({"gcc"}, {"CC": "ccache gcc"}, "no C compiler: ccache gcc"),
        ({"icx"}, {"CC": "icx"}, ""),
        ({"gcc"}, {"CC": ""}, ""),
        (set(), {}, "no C compiler: gcc or clang"),
    ],
)
def test_a_compiler_is_looked_for(
    there: set[str], environment: dict[str, str], reason: str, include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    assert why_no_launchers(environment, include) == reason


def test_pythons_headers_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert why_no_launchers({}, tmp_path) == f"no headers of Python in {tmp_path}"


def test_the_version_names_the_kernels_and_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "why_no_launchers", lambda *_: "")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "3.6.0")
    assert fusing_version() == f"fused {REVISION} by triton 3.6.0"


@pytest.mark.parametrize("missing", ["launchers", "triton"])
def test_without_either_there_is_no_version(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(_: str) -> Any:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(fusing, "why_no_launchers", lambda *_: "no C compiler" if missing == "launchers" else "")
    if missing == "triton":
        monkeypatch.setattr("importlib.metadata.version", version)
    assert fusing_version() == ""
