"""Datasets on a real S3 server: the same bytes as on a disk, resumed, through faults, and no credential written."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from augengine.errors import PlanMismatch, SpecError, TargetError
from augengine.shards import publish
from augengine.shards.verify import verify
from augengine.sources import open_source
from augengine.storage import (
    Access,
    AnyPath,
    UrlPath,
    delete,
    names,
    open_whole,
    path_of,
    read_whole,
    size_of,
    write_if_absent,
)
from tests.support.datasets import digests, leftovers, make
from tests.support.pictures import write_folder
from tests.support.slide_files import specimen, write_slide
from tests.support.store_server import Store
from tests.support.tilings import cut

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("tiles"), [f"tile_{i}" for i in range(4)], masks=True)


@pytest.fixture(scope="module")
def on_disk(tiles: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk") / "out"
    make(tiles, folder, small_weights, samples_per_shard=2)
    return folder


@pytest.fixture(params=["disk", "s3", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> AnyPath:
    """The contract holds for each kind."""
    if request.param == "s3":
        return request.getfixturevalue("s3_folder")  # type: ignore[no-any-return]
    return tmp_path if request.param == "disk" else UrlPath(f"memory://{uuid.uuid4().hex}")


def test_of_several_writers_one_is_first(folder: AnyPath) -> None:
    assert write_if_absent(folder / "a", b"one")
    assert not write_if_absent(folder / "a", b"two")
    assert read_whole(folder / "a") == b"one"
    assert (size_of(folder / "a"), names(folder)) == (3, ["a"])


def test_what_is_deleted_is_gone(folder: AnyPath) -> None:
    write_if_absent(folder / "a", b"one")
    delete(folder / "a")
    delete(folder / "a")
    assert (read_whole(folder / "a"), size_of(folder / "a"), names(folder)) == (None, None, [])


def test_a_store_gets_the_same_bytes_as_a_disk(
    tiles: Path, small_weights: Path, on_disk: Path, s3_folder: UrlPath
) -> None:
    assert make(tiles, s3_folder, small_weights, samples_per_shard=2).complete()
    assert digests(s3_folder) == digests(on_disk)
    assert verify(s3_folder).ok
    accounts = ["run.json", "summary.json", "summary.md"]
    assert sorted(names(s3_folder / ".augengine")) == ["cd68-000000.json", "cd68-000001.json", "plan.json", *accounts]
    again = make(tiles, s3_folder, small_weights, samples_per_shard=2)
    assert again.resumed == 2


def test_shards_on_a_store_are_read_as_on_a_disk(on_disk: Path, s3_folder: UrlPath, small_weights: Path) -> None:
    for name in names(on_disk):
        if name.endswith(".tar"):
            write_if_absent(s3_folder / name, (on_disk / name).read_bytes())
    there, here = open_source(s3_folder.url, stain="cd68").scan(), open_source(str(on_disk), stain="cd68").scan()
    assert [unit.entries for unit in there.units] == [unit.entries for unit in here.units]


def test_faults_change_no_byte(
    s3_server: Store, tiles: Path, small_weights: Path, on_disk: Path, s3_folder: UrlPath
) -> None:
    s3_server.fault = lambda method, path, number: {1: "500", 5: "slow", 7: "lost"}.get(number % 17, "")
    before = s3_server.injected
    assert make(tiles, s3_folder, small_weights, samples_per_shard=2).complete()
    s3_server.fault = lambda *_: ""
    assert s3_server.injected > before
    assert digests(s3_folder) == digests(on_disk)


def test_a_cut_answer_is_asked_for_again(s3_server: Store, s3_folder: UrlPath) -> None:
    write_if_absent(s3_folder / "a", bytes(5000))
    s3_server.fault = lambda method, path, number: "cut" if method == "GET" and number % 2 else ""
    assert read_whole(s3_folder / "a") == bytes(5000)


def test_a_store_that_fails_for_good_is_an_error_and_the_run_goes_on_later(
    s3_server: Store,
    tiles: Path,
    small_weights: Path,
    on_disk: Path,
    s3_folder: UrlPath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3_server.fault = lambda method, path, number: "500" if method == "PUT" and path.endswith("000001.tar") else ""
    with pytest.raises(TargetError, match="cd68-000001") as caught:
        make(tiles, s3_folder, small_weights, samples_per_shard=2)
    assert "secret-of-tests" not in str(caught.value)
    s3_server.fault = lambda *_: ""
    assert make(tiles, s3_folder, small_weights, samples_per_shard=2).resumed == 1
    assert digests(s3_folder) == digests(on_disk)


def test_another_plan_is_refused(tiles: Path, small_weights: Path, s3_folder: UrlPath) -> None:
    make(tiles, s3_folder, small_weights, samples_per_shard=2)
    with pytest.raises(PlanMismatch, match="seed"):
        make(tiles, s3_folder, small_weights, samples_per_shard=2, seed=1)


@pytest.mark.ray
@pytest.mark.slow
def test_workers_over_ray_reach_the_store(tiles: Path, small_weights: Path, on_disk: Path, s3_folder: UrlPath) -> None:
    assert make(tiles, s3_folder, small_weights, samples_per_shard=2, workers=2).complete()
    assert digests(s3_folder) == digests(on_disk)


def test_access_crosses_processes_unseen(s3_server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = pickle.loads(pickle.dumps(Access.of_environment("s3://slides")))  # noqa: S301 - our own bytes
    assert "secret-of-tests" not in f"{copy!r} {copy}"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    copy.apply()
    assert os.environ["AWS_SECRET_ACCESS_KEY"].startswith("secret-of")
    assert not Access.of_environment("/a/folder").variables


@pytest.mark.parametrize("url", ["s3://key:hush@bucket/out", "https://host/a.tar?X-Amz-Signature=hush"])
def test_an_url_with_credentials_is_refused_without_saying_them(url: str) -> None:
    for use in (path_of, lambda text: open_source(text, stain="cd68")):
        with pytest.raises(SpecError, match="credential") as caught:
            use(url)
        assert "hush" not in caught.value.message + caught.value.hint


def test_a_large_file_goes_up_in_parts_that_are_dropped_when_one_fails(
    s3_server: Store, s3_folder: UrlPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(20 << 20))
    s3_server.fault = lambda method, path, number: "500" if method == "PUT" else ""
    with pytest.raises(TargetError, match="large"):
        publish(large, s3_folder / "large")
    s3_server.fault = lambda *_: ""
    assert (read_whole(s3_folder / "large"), leftovers(s3_folder)) == (None, [])
    whole = large.read_bytes()
    publish(large, s3_folder / "large")
    assert read_whole(s3_folder / "large") == whole
    with open_whole(s3_folder / "large") as stream:
        assert stream.read() == whole


def test_tiles_go_to_a_store(s3_folder: UrlPath, tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "s.tif", specimen())
    for folder in (tmp_path / "out", s3_folder):
        assert cut(slide, folder, mpp=0.75).complete()
    assert digests(s3_folder) == digests(tmp_path / "out")
    assert verify(s3_folder).ok
    assert cut(slide, s3_folder, mpp=0.75).resumed


def test_without_its_package_an_url_says_what_to_install() -> None:
    code = """
import sys
sys.modules["s3fs"] = None
from augengine.errors import SpecError
from augengine.storage import filesystem_of
try:
    filesystem_of("s3://bucket/out")
except SpecError as error:
    print(error.hint)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "augengine[s3]"' in ran.stdout
