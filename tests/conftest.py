"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from augengine.engines.driver import why_no_driver
from augengine.engines.trt_packages import UNLISTED
from augengine.storage import UrlPath
from tests.support.places import ROOT, SHARED_CASES, SHARED_DATA
from tests.support.signal_stack import what_is_wrong
from tests.support.small_generator import write_small_pair

if TYPE_CHECKING:
    from tests.support.store_server import Store

if why_no_driver():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is first imported, by torch perhaps


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real histology for development; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared histology data is not beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tile_cases() -> Path:
    """Slides and annotations that were once cut wrong; tests that need them skip where they are absent."""
    if not (SHARED_CASES / "tile").is_dir():
        pytest.skip("the shared cases are not beside the checkout")
    return SHARED_CASES / "tile"


@pytest.fixture(scope="session")
def shard_cases() -> Path:
    """Shards as other tools pack them; tests that need them skip where they are absent."""
    if not (SHARED_CASES / "shards").is_dir():
        pytest.skip("the shared cases of shards are not beside the checkout")
    return SHARED_CASES / "shards"


@pytest.fixture(scope="session")
def safety_cases() -> Path:
    """Scripts that make files which mean harm; tests that need them skip where they are absent."""
    if not (SHARED_CASES / "safety").is_dir():
        pytest.skip("the shared cases of safety are not beside the checkout")
    return SHARED_CASES / "safety"


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines and weights of the tests stay out of the user's own folder; child processes inherit it."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["AUGENGINE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def own_handler() -> Iterator[None]:
    """A command takes SIGTERM over where it is called; pytest gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module", autouse=True)
def sound_signal_stack() -> Iterator[None]:
    """Named where it is broken: the process would die at a later file's child, without a word."""
    yield
    wrong = what_is_wrong()
    assert not wrong, wrong


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small real generator, for the stain cd68."""
    folder = tmp_path_factory.mktemp("weights")
    write_small_pair(folder)
    return folder


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of real engines that copy their input."""
    folder = tmp_path_factory.mktemp("copies")
    write_small_pair(folder, identity=True)
    return folder


@pytest.fixture(scope="module")
def s3_server() -> Iterator[Store]:
    """An S3 server, at which the environment points."""
    from tests.support.store_server import store  # moto takes a second

    with store() as running:
        yield running


@pytest.fixture
def s3_folder(s3_server: Store) -> Iterator[UrlPath]:
    """A folder of its own on the server, whose faults end with the test."""
    yield UrlPath(f"s3://slides/{uuid.uuid4().hex[:8]}")
    s3_server.heal()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes the tests of a file stay together, and files with tests that start Ray take turns."""
    with_ray = {item.path for item in items if item.get_closest_marker("ray")}
    for item in items:
        name = item.path.relative_to(ROOT / "tests").with_suffix("").as_posix()
        item.add_marker(pytest.mark.xdist_group("ray" if item.path in with_ray else name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With AUGENGINE_REQUIRE_GPU=1 a skipped gpu test is a failed one, unless a package has nothing for that GPU."""
    report = yield
    required = os.environ.get("AUGENGINE_REQUIRE_GPU") == "1" and UNLISTED not in str(report.longrepr)
    if required and report.skipped and item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"a GPU is required, yet this was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Two threads on busy cores make convolutions as small as the tests' twenty times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
