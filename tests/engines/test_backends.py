"""Which backend and which package serve a machine: choices on simulated GPUs, and what the installed package lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from augengine.engines._openvino import OpenVinoBackend
from augengine.engines._tensorrt import set_target
from augengine.engines.backends import choose_backend, pick_backend
from augengine.engines.driver import device_name, why_no_driver
from augengine.engines.gpu_memory import load_cupy, why_no_cupy, why_too_old
from augengine.engines.trt_packages import Package, choose_package, find_package, load_package
from augengine.errors import BackendUnavailable, EngineError
from augengine.machine import ISA_LIMITS, isa_limit
from benchmarks.machine import machine_facts

PROPER = Package(name="tensorrt", version="11.0")
RTX = Package(name="tensorrt_rtx", version="1.7", targets=frozenset({"SM75", "SM89", "SM120"}))
ABSENT = Package(name="tensorrt", missing="tensorrt is not installed")
H100, RTX_4090, RTX_5090 = (9, 0), (8, 9), (12, 0)

needs_rtx = pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="TensorRT for RTX is not installed")


@dataclass
class Simulated(OpenVinoBackend):
    """A backend as some machine would have it."""

    name: str
    reason: str = ""
    device: str = "cuda-sm90"
    fails: bool = False

    def why_unavailable(self) -> str:
        if self.fails:
            raise BackendUnavailable("torch cannot be imported: libcudart.so.13")
        return self.reason

    def device_class(self) -> str:
        return self.device


CPU = Simulated("openvino", device="cpu-x86_64-avx2")


@pytest.mark.parametrize("capability", [RTX_4090, RTX_5090])
def test_tensorrt_for_rtx_serves_the_gpus_that_it_lists(capability: tuple[int, int]) -> None:
    assert choose_package([ABSENT, RTX], capability) == ("tensorrt_rtx", "")


def test_a_gpu_that_a_package_does_not_list_is_refused_by_name() -> None:
    name, reason = choose_package([ABSENT, RTX], H100)
    assert name == ""
    assert reason == (
        "tensorrt is not installed; tensorrt_rtx 1.7 does not run on this GPU: it is SM90, the package lists "
        "SM75, SM89, SM120"
    )


def test_tensorrt_proper_is_preferred_and_the_other_is_then_not_imported() -> None:
    def found() -> Iterator[Package]:
        yield PROPER
        raise AssertionError("a process imports only one of the two")

    for capability in (H100, RTX_4090, None):
        assert choose_package(found(), capability) == ("tensorrt", "")


def test_without_a_gpu_any_package_that_can_be_imported_will_do() -> None:
    assert choose_package([ABSENT, RTX], None) == ("tensorrt_rtx", "")


def test_a_package_that_is_not_installed_is_named_with_what_installs_it() -> None:
    with pytest.raises(BackendUnavailable, match="tensorrt_abacus is not installed") as caught:
        load_package(("tensorrt_abacus",))
    assert "augengine[rtx]" in caught.value.hint


@needs_rtx
def test_the_installed_package_lists_its_gpus() -> None:
    found = find_package("tensorrt_rtx")
    assert found.missing == ""
    assert "SM89" in found.targets
    assert all(target[2:].isdigit() for target in found.targets)


@needs_rtx
def test_a_build_is_aimed_at_one_gpu() -> None:
    trt: Any = import_module("tensorrt_rtx")
    config = trt.Builder(trt.Logger()).create_builder_config()
    for target in ("SM89", "CURRENT"):
        set_target(trt, config, target)
        assert config.num_compute_capabilities == 1
        assert config.get_compute_capability(0) == getattr(trt.ComputeCapability, target)
    with pytest.raises(EngineError, match="NONE"):
        set_target(trt, config, "NONE")


@pytest.mark.parametrize(
    ("candidates", "chosen", "why"),
    [
        ([Simulated("tensorrt"), Simulated("torch"), CPU], "tensorrt", []),
        ([Simulated("tensorrt", "lists no SM90"), Simulated("torch"), CPU], "torch", []),
        (
            [Simulated("tensorrt", "lists no SM90"), Simulated("torch", "no cupy"), CPU],
            "openvino",
            ["tensorrt: lists no SM90", "torch: no cupy"],
        ),
        (
            [Simulated("tensorrt", "not installed"), Simulated("torch", device="cpu-x86_64-avx2"), CPU],
            "openvino",
            ["tensorrt: not installed", "torch: it runs on the CPU here"],
        ),
        (
            [Simulated("torch", fails=True), CPU],
            "openvino",
            ["torch: torch cannot be imported: libcudart.so.13"],
        ),
        ([CPU], "openvino", []),
    ],
)
def test_auto_takes_the_first_that_runs_on_the_gpu_and_says_why_not_the_others(
    candidates: list[Simulated], chosen: str, why: list[str]
) -> None:
    backend, reasons = choose_backend(candidates)
    assert (backend.name, list(reasons)) == (chosen, why)


@pytest.mark.skipif(not why_no_driver(), reason="this machine has an NVIDIA driver")
def test_where_no_gpu_is_nothing_is_said_of_it() -> None:
    notes: list[str] = []
    assert pick_backend("auto", notes.append).name == "openvino"
    assert notes == []
    assert device_name() == ""


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")
def test_a_missing_cupy_is_named_with_what_installs_it() -> None:
    assert "augengine[rtx]" in why_no_cupy()
    with pytest.raises(BackendUnavailable, match="cupy cannot be imported") as caught:
        load_cupy()
    assert "augengine[rtx]" in caught.value.hint


def test_a_driver_that_is_too_old_is_refused_with_the_one_to_install() -> None:
    assert why_too_old((13, 0)) == why_too_old((13, 2)) == why_too_old((14, 0)) == ""
    assert "knows CUDA 12.8, CuPy needs 13.0: update the driver to 580" in why_too_old((12, 8))


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({}, ""),
        ({"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, ""),
        ({"ONEDNN_MAX_CPU_ISA": ""}, ""),
        ({"ONEDNN_MAX_CPU_ISA": "avx2"}, "max-avx2"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "max-avx512_core"),
        ({"DNNL_MAX_CPU_ISA": "SSE41"}, "max-sse41"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "SSE41"}, "max-avx2"),
    ],
)
def test_what_limits_the_vector_units_is_read_as_onednn_reads_it(environment: dict[str, str], limit: str) -> None:
    assert isa_limit(environment) == limit


def test_a_limit_on_the_vector_units_is_another_class_of_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ISA_LIMITS:
        monkeypatch.delenv(name, raising=False)
    free = OpenVinoBackend().device_class()
    assert machine_facts()["isa_limit"] == ""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert OpenVinoBackend().device_class() == f"{free}-max-avx2"
    assert machine_facts()["isa_limit"] == "max-avx2"
