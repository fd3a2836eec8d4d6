"""A dataset made, verified and replayed by the engines of a GPU; anywhere the same by those of the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augengine.dataset import replay
from augengine.engines.backends import pick_backend
from augengine.errors import BackendUnavailable
from augengine.shards import verify
from tests.support.datasets import digests, keys, make
from tests.support.pictures import write_folder

pytestmark = pytest.mark.e2e

NAMES = ["a0", "a1", "a2", "a3", "a4"]
ON_A_GPU = [pytest.param(name, marks=pytest.mark.gpu) for name in ("auto", "tensorrt", "torch")]


@pytest.mark.parametrize("name", ["openvino", *ON_A_GPU])
def test_a_dataset_is_made_again_with_the_same_bytes(name: Any, small_weights: Path, tmp_path: Path) -> None:
    try:
        backend = pick_backend(name)
    except BackendUnavailable as error:
        pytest.skip(str(error))
    if name != "openvino" and not backend.device_class().startswith("cuda-"):
        pytest.skip(f"{backend.name} runs on the CPU here")
    source, out = write_folder(tmp_path / "in", NAMES), tmp_path / "out"
    made = make(source, out, small_weights, backend=name, variants=3, samples_per_shard=3)
    assert made.engines.backend == backend.name
    assert verify(out).ok
    assert len(keys(out)) == 3 * len(NAMES)
    before = digests(out)
    for key in (keys(out)[0], keys(out)[-1]):
        assert replay(out, key).same
    # What is left of a run that was killed is finished with the same engines, whatever the batches are then.
    for file in [*out.glob("*-000001.*"), *(out / ".augengine").glob("*-000001.json")]:
        file.unlink()
    assert make(source, out, small_weights, backend=name, variants=3, samples_per_shard=3).resumed == 1
    assert digests(out) == before
