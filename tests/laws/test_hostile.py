"""Input that means harm, and targets that fail: refused with a sentence, and nothing half-written is left."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from augengine.dataset import augment
from augengine.errors import AugengineError, SourceError, TargetError
from tests.support.datasets import Listener, make, request
from tests.support.pictures import bomb, encode, tissue, write_folder

pytestmark = pytest.mark.e2e


def _refused(kind: type[AugengineError], source: Path, out: Path, weights: Path, words: str) -> None:
    with pytest.raises(kind, match=words) as refusal:
        augment(request(source, out, weights), Listener())
    assert refusal.value.hint


def test_a_decompression_bomb_is_named_by_its_header_and_stops_no_other(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a"])
    (source / "bomb.png").write_bytes(bomb(60000))
    made = make(source, tmp_path / "out", small_weights)
    ((bad,),) = (report.failures for report in made.reports)
    assert (bad.key, made.samples_out) == ("bomb", 1)
    assert "promises 60000 x 60000 px" in bad.reason


def test_a_bomb_that_comes_after_planning_is_one_bad_sample(small_weights: Path, tmp_path: Path) -> None:
    from augengine.dataset.check import check_sample
    from augengine.sample import Failure, Sample
    from tests.support.workers import worker

    sample = Sample(key="late", image=bomb(60000), image_ext="png")
    found = check_sample(sample, worker(tmp_path, max_side=1024))
    assert isinstance(found, Failure)
    assert "60000" in found.reason
    assert small_weights


@pytest.mark.parametrize("name", ["../escape.png", "/escape.png", "a/../../escape.png"])
def test_a_path_that_leads_out_of_its_tar_is_refused(name: str, small_weights: Path, tmp_path: Path) -> None:
    shard = tmp_path / "in.tar"
    _write_tar(shard, {name: encode(tissue())})
    _refused(SourceError, shard, tmp_path / "out", small_weights, "leads out of it")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.tar"]


def test_a_link_in_a_tar_is_refused(small_weights: Path, tmp_path: Path) -> None:
    shard = tmp_path / "in.tar"
    with tarfile.open(shard, "w") as tar:
        info = tarfile.TarInfo("a.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    _refused(SourceError, shard, tmp_path / "out", small_weights, "a symbolic link to '/etc/passwd', not a file")


def test_a_truncated_tar_is_refused(small_weights: Path, tmp_path: Path) -> None:
    shard = tmp_path / "in.tar"
    _write_tar(shard, {f"k{i}.png": encode(tissue(seed=i)) for i in range(4)})
    shard.write_bytes(shard.read_bytes()[:20000])
    _refused(SourceError, shard, tmp_path / "out", small_weights, "cut short")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 160 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount the small filesystem of this test")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_target_stops_the_run_and_keeps_whole_shards(
    workers: int, small_disk: Path, small_weights: Path, tmp_path: Path
) -> None:
    source, out = write_folder(tmp_path / "in", [f"t{i:02d}" for i in range(20)]), small_disk / "out"
    with pytest.raises(TargetError, match="No space left") as refusal:
        make(source, out, small_weights, samples_per_shard=2, workers=workers)
    assert "finished shards are kept" in refusal.value.hint
    reports = {file.stem for file in (out / ".augengine").glob("cd68-*.json")}
    tars = {file.stem for file in out.glob("*.tar")}
    assert reports
    assert reports <= tars
    assert list((out / ".augengine" / "spool").glob("*")) == []
    assert not (out / ".augengine" / "lock").exists()
    roomy = shutil.copytree(out, tmp_path / "roomy")
    assert make(source, roomy, small_weights, samples_per_shard=2).resumed == len(reports)


def test_a_target_that_cannot_be_made_is_refused(small_weights: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ["a"])
    (tmp_path / "file").write_text("in the way")
    _refused(TargetError, source, tmp_path / "file" / "out", small_weights, "cannot write")


def test_a_source_that_vanishes_fails_its_shards_and_leaves_nothing(small_weights: Path, tmp_path: Path) -> None:
    from augengine.dataset.worker import Worker
    from augengine.jobs import Job
    from augengine.sources import TarsSource
    from tests.support.workers import worker

    gone = Job(index=0, source="gone", first=0, count=1, size=0, digest="", output="cd68-000000")
    spec = worker(tmp_path, source=TarsSource(urls=(str(tmp_path / "gone.tar"),)).to_json())
    with Worker(spec) as one:
        (report,) = one.run([gone])
    assert "gone" in report.error
    assert list(tmp_path.rglob("*.tar")) == []
    assert small_weights


def _write_tar(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
