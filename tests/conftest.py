"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.small_generator import write_small_pair

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real histology for development; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared histology data is not beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines and weights of the tests stay out of the user's own folder; child processes inherit it."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["AUGENGINE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small real generator, for the stain cd68."""
    folder = tmp_path_factory.mktemp("weights")
    write_small_pair(folder)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With AUGENGINE_REQUIRE_GPU=1 a skipped gpu test is a failed one."""
    report = yield
    required = os.environ.get("AUGENGINE_REQUIRE_GPU") == "1"
    if required and report.skipped and item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"a GPU is required, yet this was skipped: {report.longrepr}"
    return report
