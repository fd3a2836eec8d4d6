"""How many workers may share a GPU, and that several are refused where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from augengine.dataset import AugmentRequest, augment
from augengine.engines.driver import why_no_driver
from augengine.errors import SpecError
from tests.support.pictures import write_folder


def test_less_than_one_worker_is_refused(tmp_path: Path) -> None:
    for number in (0, -1):
        with pytest.raises(SpecError, match="at least 1 worker"):
            AugmentRequest(stain="cd68", out=tmp_path / "out", workers_per_gpu=number)


@pytest.mark.e2e
@pytest.mark.skipif(not why_no_driver(), reason="this machine has a GPU")
def test_several_are_refused_on_a_cpu_before_anything_is_made(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    source = write_folder(tmp_path / "in", ["a"], height=64, width=64)
    with pytest.raises(SpecError, match="this run is on a CPU"):
        augment(
            stain="cd68", source=str(source), out=tmp_path / "out", weights=small_weights, mpp=0.5, workers_per_gpu=2
        )
    assert not (tmp_path / "home").exists()
