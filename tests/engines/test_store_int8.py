"""An int8 engine is what it is by its ranges too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._openvino_peaks import measure_form
from augengine.engines.base import EngineSpec
from augengine.engines.store import EngineStore
from augengine.errors import SpecError
from augengine.weights.cards import digest_weights
from tests.support.small_generator import write_small_generator

SPEC = EngineSpec(precision="float32", height=32, width=48)
BACKEND = OpenVinoBackend()


@pytest.mark.skipif(bool(BACKEND.why_no_int8()), reason=BACKEND.why_no_int8() or "it runs")
def test_an_int8_engine_is_found_by_its_ranges(tmp_path: Path) -> None:
    store, onnx_file = EngineStore(tmp_path / "engines"), write_small_generator(tmp_path / "small.onnx")
    form = measure_form(onnx_file, np.zeros((1, 3, 32, 48), np.float32), "float32")
    spec = replace(SPEC, precision="int8", int8=form)
    stored, digest = store.build(onnx_file, BACKEND, spec), digest_weights(onnx_file)
    assert store.find(digest, BACKEND, spec) == stored
    first = form.convolutions[0]
    other = replace(form, convolutions=(replace(first, peaks=(9.0, *first.peaks[1:])), *form.convolutions[1:]))
    assert store.find(digest, BACKEND, replace(spec, int8=other)) is None
    store.load(stored.id, threads=1).close()


def test_int8_and_a_form_go_together() -> None:
    with pytest.raises(SpecError, match="int8 form"):
        replace(SPEC, precision="int8")
