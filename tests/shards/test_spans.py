"""Bytes are fetched by where they lie, from disks and stores alike."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from augengine.errors import SourceError
from augengine.shards.spans import MAX_OPEN_SHARDS, Span, SpanReader

DATA = bytes(range(256)) * 4
SPANS = [Span(512, 7), Span(3, 300), Span(0, 0)]


@pytest.fixture(params=["path", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "s.tar"
    file.write_bytes(DATA)
    if request.param == "memory":
        fsspec.filesystem("memory").pipe("/spans/s.tar", DATA)
        return "memory://spans/s.tar"
    return f"file://{file}" if request.param == "file" else str(file)


def test_the_bytes_of_a_span_are_read(url: str) -> None:
    reader = SpanReader()
    assert reader.read(url, SPANS) == [DATA[span.offset : span.offset + span.size] for span in SPANS]
    reader.close()
    assert reader.read(url, SPANS[:1]) == [DATA[512:519]]


def test_a_span_beyond_the_end_is_an_error(url: str) -> None:
    with pytest.raises(SourceError, match="shorter than it was"):
        SpanReader().read(url, [Span(1000, 100)])


@pytest.mark.parametrize("url", ["absent.tar", "memory://spans/absent.tar"])
def test_a_shard_that_is_gone_is_an_error(url: str) -> None:
    with pytest.raises(SourceError, match=r"there is no .* any more"):
        SpanReader().read(url, [Span(0, 1)])


def test_of_many_shards_only_some_stay_open(tmp_path: Path) -> None:
    reader = SpanReader()
    for i in range(MAX_OPEN_SHARDS + 5):
        (tmp_path / f"{i}.tar").write_bytes(bytes([i]))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        for i in range(MAX_OPEN_SHARDS + 5):
            assert reader.read(str(tmp_path / f"{i}.tar"), [Span(0, 1)]) == [bytes([i])]
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= MAX_OPEN_SHARDS
    reader.close()
