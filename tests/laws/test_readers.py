"""Shards as others read them: pixels and class ids arrive as they were written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augengine.digests import canonical_json
from augengine.jobs import Report
from augengine.shards import ShardWriter, members_of, write_report
from augengine.shards.layout import index_file, tar_file
from tests.support.datasets import make
from tests.support.pictures import class_ids, decode, encode, tissue

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

OUTPUTS = ("cd68-000000", "cd68-000001")
A_SHARD = 6
PALETTE = [value for i in range(256) for value in (255 - i, i, i // 2)]

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


def ids_of(number: int) -> NDArray[np.uint8]:
    return class_ids(classes=200, seed=number)


def mask_of(number: int) -> bytes:
    """Every third mask is a palette picture, as annotation tools write them."""
    if number % 3:
        return encode(ids_of(number))
    picture, out = Image.fromarray(ids_of(number)).copy(), io.BytesIO()
    picture.putpalette(PALETTE)
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for shard, output in enumerate(OUTPUTS):
        with ShardWriter(tar_file(folder, output)) as writer:
            for number in range(shard * A_SHARD, (shard + 1) * A_SHARD):
                record = canonical_json({"number": number, "source": '{"tissue": "kidney"}'})
                members = members_of(encode(tissue(seed=number)), "png", mask=mask_of(number), json=record, extras={})
                writer.add(f"tile_{number}-v0001", members)
        write_report(folder, Report(output=output, samples_out=A_SHARD))
    return folder


def assert_all(found: dict[int, Pair]) -> None:
    assert sorted(found) == list(range(len(OUTPUTS) * A_SHARD))
    for number, (image, mask) in found.items():
        np.testing.assert_array_equal(image, tissue(seed=number))
        np.testing.assert_array_equal(mask.reshape(48, 64), ids_of(number))


def class_id_mask(key: str, data: bytes) -> NDArray[np.uint8] | None:
    """The handler that README shows: webdataset's own would make an RGB picture of a mask."""
    return np.array(Image.open(io.BytesIO(data))) if key.endswith("seg.png") else None


def test_webdataset_and_a_torch_loader_read_them(dataset: Path) -> None:
    import torch
    import webdataset

    urls = [str(tar_file(dataset, output)) for output in OUTPUTS]
    samples = webdataset.WebDataset(urls, shardshuffle=False).decode(class_id_mask, "rgb8")
    tuples = samples.to_tuple("png", "seg.png", "json")
    workers: Any = {"num_workers": 2, "multiprocessing_context": "spawn"}
    loader: Any = torch.utils.data.DataLoader(tuples, batch_size=None, **workers)
    assert_all({record["number"]: (np.asarray(image), np.asarray(mask)) for image, mask, record in loader})


def test_dali_reads_them_by_their_index(dataset: Path) -> None:
    from nvidia.dali import fn, types
    from nvidia.dali.pipeline import Pipeline

    pipeline: Any = Pipeline(batch_size=4, num_threads=1, device_id=None)
    with pipeline:
        parts: Any = fn.readers.webdataset(
            paths=[str(tar_file(dataset, output)) for output in OUTPUTS],
            index_paths=[str(index_file(dataset, output)) for output in OUTPUTS],
            ext=["png", "seg.png", "json"],
            missing_component_behavior="error",
        )
        image, mask, record = parts
        # DALI's decoder shows a palette's colours, so class ids are read from the bytes.
        pipeline.set_outputs(fn.decoders.image(image, output_type=types.RGB), mask, record)
    found: dict[int, Pair] = {}
    for _ in range(len(OUTPUTS) * A_SHARD // 4):
        images, masks, records = pipeline.run()
        for i in range(4):
            number = json.loads(bytes(records.at(i)))["number"]
            found[number] = np.asarray(images.at(i)), decode(bytes(masks.at(i)))
    assert_all(found)


def test_hugging_face_datasets_load_the_bare_folder(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(str(dataset), split="train", cache_dir=str(tmp_path))
    assert_all({row["json"]["number"]: (np.asarray(row["png"]), np.asarray(row["seg.png"])) for row in loaded})


@pytest.fixture(scope="module")
def differing(shard_cases: Path, small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of twelve sources whose own json has a field that is empty first and a text later."""
    out = tmp_path_factory.mktemp("differing") / "out"
    options: dict[str, Any] = {"variants": 2, "include_source": True}
    make(shard_cases / "15_null_then_text.tar", out, small_weights, **options)
    return out


def assert_rows_of_differing(records: list[dict[str, Any]]) -> None:
    assert len(records) == 36
    assert {record["variants"] for record in records} == {2}
    grades = [json.loads(record["source"])["grade"] for record in records]
    assert (grades.count(None), grades.count("II")) == (30, 6)


@pytest.mark.parametrize("streaming", [False, True])
def test_hugging_face_datasets_load_sources_whose_json_differs(
    differing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    named = {"data_files": str(differing / "*.tar"), "cache_dir": str(tmp_path), "streaming": streaming}
    rows = list(datasets.load_dataset("webdataset", split="train", **named))
    assert_rows_of_differing([row["json"] for row in rows])
    assert all(np.asarray(row["seg.png"]).shape == (128, 128) for row in rows)


@pytest.fixture
def ray_of_one() -> Iterator[Any]:
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    ray.shutdown()


def test_ray_data_reads_them(dataset: Path, ray_of_one: Any) -> None:
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_webdataset([str(tar_file(dataset, o)) for o in OUTPUTS], decoder=None).take_all()
    assert_all({json.loads(row["json"])["number"]: (decode(row["png"]), decode(row["seg.png"])) for row in rows})


def test_ray_data_reads_sources_whose_json_differs(differing: Path, ray_of_one: Any) -> None:
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_webdataset(str(differing), file_extensions=["tar"]).take_all()
    assert_rows_of_differing([row["json"] for row in rows])
