"""Whatever is read: a value that holds what it promises, or one of our errors, in little memory."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from augengine.annotations import open_labels
from augengine.digests import canonical_json
from augengine.errors import ContentError, SourceError
from augengine.pictures.headers import read_size
from augengine.pictures.images import Decoder, check_image
from augengine.pictures.masks import read_mask
from augengine.pictures.metadata import orientation_of
from augengine.sample import Failure
from augengine.shards.read import meta_text, parse_meta, read_tar, scan_tar
from tests.support.fuzz_strategies import drawings, fuzz, headers, shards

SIDE = 64

LENGTHS = pytest.mark.parametrize(
    "long", [pytest.param(False, id="brief"), pytest.param(True, id="long", marks=pytest.mark.slow)]
)


@LENGTHS
def test_a_shard_is_listed_and_read_alike_or_refused(long: bool, tmp_path: Path) -> None:
    def law(data: bytes) -> None:
        file = str(tmp_path / "s.tar")
        Path(file).write_bytes(data)
        try:
            listing = scan_tar(file)
        except SourceError:
            return
        entries = listing.entries
        excluded = {ordinal: entry.reason for ordinal, entry in enumerate(entries) if entry.reason}
        outcomes = list(read_tar(file, 0, len(entries), excluded, apart=True))
        if not listing.apart:
            assert list(read_tar(file, 0, len(entries), excluded)) == outcomes
        assert [outcome.key for outcome in outcomes] == [entry.key for entry in entries]
        for entry, outcome in zip(entries, outcomes, strict=True):
            assert entry.key.isprintable()
            assert isinstance(outcome, Failure) or not entry.reason

    fuzz(shards(), law, long=long)


@LENGTHS
def test_annotations_give_labels_or_a_refusal(long: bool, tmp_path: Path) -> None:
    def law(named: tuple[str, bytes]) -> None:
        file = tmp_path / named[0]
        file.write_bytes(named[1])
        try:
            labels = open_labels(file, slide_width=SIDE, slide_height=SIDE, default_class="a")
        except (SourceError, ContentError):
            return
        mask = labels.mask(-3, -3, downsample=1.5, height=50, width=50, classes={"a": 1, "b": 2})
        assert set(np.unique(mask)) <= {0, 1, 2}
        for name in labels.classes:
            assert all(np.isfinite([box.left, box.top, box.right, box.bottom]).all() for box in labels.objects(name))
        assert all(problem.isprintable() for problem in labels.problems)

    fuzz(drawings(), law, long=long)


@LENGTHS
def test_a_picture_is_what_its_header_says_or_bad(long: bool) -> None:
    decoder = Decoder(threads=1, max_side=128)

    def law(data: bytes) -> None:
        size = read_size(io.BytesIO(data))
        assert size is None or min(size) > 0
        assert 1 <= orientation_of(data) <= 8
        (outcome,) = decoder.decode([data])
        if not isinstance(outcome, ContentError):
            assert outcome.shape == (*check_image(data, max_side=128), 3)
            assert max(outcome.shape) <= 128

    fuzz(headers(), law, long=long)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@LENGTHS
def test_a_mask_holds_class_ids_or_is_bad(long: bool) -> None:
    def law(data: bytes) -> None:
        try:
            mask = read_mask(data, max_side=128)
        except ContentError:
            return
        assert mask.dtype == np.uint8
        assert max(mask.shape) <= 128
        assert mask.shape == read_size(io.BytesIO(data))

    fuzz(headers(), law, long=long)


def _object(values: list[str]) -> str:
    return "{" + ",".join(f'"k{number}":{value}' for number, value in enumerate(values)) + "}"


@LENGTHS
def test_the_json_of_a_sample_is_an_object_that_can_be_written_again_or_bad(long: bool) -> None:
    texts = st.recursive(
        st.sampled_from(["1", "-0.5", "1e999", "NaN", '"a"', '"\\ud800"', "null", "9" * 5000, "{", "]"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda found: f"[{','.join(found)}]"),
            st.lists(inner, max_size=4).map(_object),
        ),
        max_leaves=12,
    )

    def law(data: bytes) -> None:
        try:
            meta = parse_meta(data)
        except ContentError:
            return
        assert parse_meta(canonical_json(meta)) == meta == parse_meta(meta_text(data).encode())

    fuzz(st.one_of(texts.map(str.encode), st.binary(max_size=60)), law, long=long)
