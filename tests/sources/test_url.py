"""Folders of pictures on a store: listed and read as on a disk, ahead within bounds, through faults."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from augengine.cli.main import main
from augengine.errors import SourceError
from augengine.runs import make_jobs
from augengine.sample import Sample
from augengine.sources import FolderSource, open_source, source_from_json
from augengine.spec import AugmentSpec, NoiseSpec
from augengine.storage import AnyPath, UrlPath, delete, in_order, write_if_absent
from tests.support.datasets import make, members
from tests.support.pictures import class_ids, encode, tissue, write_folder
from tests.support.store_server import Store

pytestmark = pytest.mark.e2e

SPEC = AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05))


def upload(folder: Path, place: UrlPath) -> UrlPath:
    """Copy a folder to a store."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            write_if_absent(UrlPath(f"{place}/{file.relative_to(folder).as_posix()}"), file.read_bytes())
    return place


def read(source: FolderSource) -> list[Sample]:
    """All samples; jobs of two."""
    jobs = make_jobs(source.scan(), SPEC, samples_per_shard=2)
    again = source_from_json(source.to_json())
    return [sample for job in jobs for sample in again.read(job) if isinstance(sample, Sample)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in folders, masks beside some, json, a large TIFF, and what is no picture."""
    folder = write_folder(tmp_path_factory.mktemp("pictures"), ["a/x", "a/y", "b"], masks=True)
    (folder / "a/x.json").write_text('{"mpp": 0.5}')
    (folder / "big.tif").write_bytes(encode(tissue(200, 300), "TIFF"))
    (folder / "bad.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    for hidden in (".cache/h.png", "a/.h.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(encode(tissue()))
    return folder


def open_folder(text: object, **options: str) -> FolderSource:
    source = open_source(str(text), stain="cd68", **options)
    assert isinstance(source, FolderSource)
    return source


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_a_folder_on_a_store_is_listed_and_read_as_on_a_disk(kind: str, pictures: Path, s3_folder: UrlPath) -> None:
    place = s3_folder if kind == "s3" else UrlPath(f"memory://{s3_folder.name}")
    here, there = open_folder(pictures), open_folder(upload(pictures, place))
    assert there.scan().units[0].entries == here.scan().units[0].entries
    assert there.scan().mpps == here.scan().mpps == (0.5,)
    assert read(there) == read(here)
    assert [sample.key for sample in read(there)] == ["a_x", "a_y", "b", "bad", "big"]


@pytest.mark.parametrize("inside", [True, False])
def test_masks_lie_in_a_parallel_folder_by_url(inside: bool, s3_folder: UrlPath, tmp_path: Path) -> None:
    masks = tmp_path / ("in/masks" if inside else "masks")
    write_folder(tmp_path / "in", ["a/x", "b"])
    for name in ("a/x", "b"):
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        (masks / f"{name}.png").write_bytes(encode(class_ids()))
    upload(tmp_path, s3_folder)
    here = open_folder(tmp_path / "in", masks=str(masks))
    there = open_folder(s3_folder / "in", masks=f"{s3_folder}/{masks.relative_to(tmp_path)}/")
    assert there.scan().units[0].entries == here.scan().units[0].entries
    assert read(there) == read(here)
    mixed = open_folder(s3_folder / "in", masks=str(masks))
    if not inside:
        assert read(mixed) == read(here)


def test_pictures_by_url_become_the_same_shards(tmp_path: Path, s3_folder: UrlPath, small_weights: Path) -> None:
    pictures = write_folder(tmp_path / "in", ["a/x", "b"], masks=True)
    (pictures / "bad.png").write_bytes(b"")
    sources: dict[str, AnyPath] = {"url": upload(pictures, s3_folder / "in"), "disk": pictures}
    for name, source in sources.items():
        summary = make(source, tmp_path / name, small_weights, samples_per_shard=2, include_source=True)
        assert summary.failed_samples == 1
    assert members(tmp_path / "url") == members(tmp_path / "disk")


def test_faults_of_the_store_lose_no_sample(pictures: Path, s3_server: Store, s3_folder: UrlPath) -> None:
    source = open_folder(upload(pictures, s3_folder))
    calm = read(source)
    s3_server.fault = lambda method, path, number: {2: "500", 5: "cut", 7: "slow"}.get(number % 11, "")
    assert read(source) == calm
    assert s3_server.injected


def test_what_changed_since_it_was_planned_is_refused(pictures: Path, s3_folder: UrlPath) -> None:
    source = open_folder(upload(pictures, s3_folder))
    job = make_jobs(source.scan(), SPEC)[0]
    picture = s3_folder / "b.png"
    delete(picture)
    write_if_absent(picture, b"another")
    with pytest.raises(SourceError, match="changed since cd68-000000 was planned"):
        list(source.read(job))
    planned = open_folder(s3_folder)
    job = make_jobs(planned.scan(), SPEC)[0]
    assert [sample.key for sample in planned.read(job)][2] == "b"
    delete(picture)
    with pytest.raises(SourceError, match=r"no s3://.*b\.png any more"):
        list(planned.read(job))


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_no_more_is_read_ahead_than_is_said(ahead: int) -> None:
    begun, lock = [0], threading.Lock()

    def task(i: int) -> int:
        with lock:
            begun[0] += 1
        return i

    used = 0
    for i in in_order((lambda i=i: task(i) for i in range(30)), ahead=ahead):  # type: ignore[misc]
        assert i == used
        used += 1
        assert begun[0] <= used + ahead
    assert used == 30


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("slide.svs", "is a slide", "copy it to a disk"),
        ("tile.png", "is no tar", "give its folder, s3://slides"),
        ("none", "neither images", "folder of images"),
    ],
)
def test_what_is_no_folder_of_pictures_is_refused_with_a_hint(
    s3_folder: UrlPath, name: str, said: str, hint: str
) -> None:
    write_if_absent(s3_folder / "none" / "notes.txt", b"no picture")
    with pytest.raises(SourceError, match=said) as caught:
        open_source(f"{s3_folder}/{name}", stain="cd68")
    assert hint in caught.value.hint


def test_pictures_and_tars_in_one_place_are_refused(s3_folder: UrlPath) -> None:
    write_if_absent(s3_folder / "a.tar", bytes(1024))
    write_if_absent(s3_folder / "a.png", encode(tissue()))
    with pytest.raises(SourceError, match="both images and tars"):
        open_source(s3_folder.url, stain="cd68")


def test_slides_by_url_are_refused_with_a_hint(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["tile", "s3://lab/slides/a.svs", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "s3://lab/slides/a.svs is no file on a disk" in result.output
    assert "copy it to a disk first" in result.output
    assert not (tmp_path / "out").exists()
