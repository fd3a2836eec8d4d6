"""Which source an input opens: no input the sample set, an unfit one none; each survives json."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from augengine.errors import SourceError
from augengine.pictures.images import Decoder
from augengine.sample import Sample
from augengine.sources import FolderSource, SampleSet, Source, TarsSource, open_source, source_from_json
from tests.support.pictures import write_folder
from tests.support.sources import open_cd68, read_all, write_tar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "there is no"),
        ("nowhere-{0..2}.tar", "there is no"),
        ("nowhere-*.tar", "nothing matches"),
        ("shards-{0..99999999999}.tar", "more than"),
        ("nosuch://bucket/a", "cannot read"),
        ("memory://empty", "empty"),
    ],
)
def test_what_does_not_exist_is_refused(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_cd68(text)


def test_ambiguous_and_unfit_inputs_are_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="neither images"):
        open_cd68(tmp_path)
    write_folder(tmp_path, ["a"])
    with pytest.raises(SourceError, match="is no tar") as caught:
        open_cd68(tmp_path / "a.png")
    assert str(tmp_path) in caught.value.hint
    write_tar(tmp_path / "a.tar", ["k"])
    with pytest.raises(SourceError, match="both images and tars"):
        open_cd68(tmp_path)
    with pytest.raises(SourceError, match="--masks"):
        open_cd68(tmp_path / "a.tar", masks=str(tmp_path))
    (tmp_path / "slide.svs").write_bytes(b"")
    with pytest.raises(SourceError, match="is a slide") as caught:
        open_cd68(tmp_path / "slide.svs")
    assert "tile" in caught.value.hint


def test_without_an_input_the_sample_set_is_read() -> None:
    source = open_source(None, stain="cd68")
    assert source == SampleSet()
    samples = read_all(source)
    images = Decoder(threads=1, max_side=256).decode([s.image for s in samples if isinstance(s, Sample)])
    assert [image.shape for image in images if isinstance(image, np.ndarray)] == [(256, 256, 3)] * 8
    assert (source.scan().mpps, source.scan().splits) == ((0.5,), True)


@pytest.mark.parametrize(
    "source",
    [FolderSource(folder="/x", masks="/y", mask_suffix="-m"), TarsSource(urls=("a.tar", "s3://b/c.tar")), SampleSet()],
)
def test_a_source_survives_json_and_pickling(source: Source) -> None:
    assert source_from_json(json.loads(json.dumps(source.to_json()))) == source
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301


def test_a_source_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SourceError, match="'zip'"):
        source_from_json({"kind": "zip"})
