"""Bytes of shards by where they lie: a reader fetches what it shows, and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from augengine.errors import SourceError, SpecError, TargetError
from augengine.shards.listed import local_path
from augengine.storage import filesystem_of, open_plain, remote_errors

MAX_OPEN_SHARDS = 32
"""Local tars that a reader keeps open: a shuffled epoch jumps between them."""

_CHANGED = "was it changed or cut short since the dataset was opened?"


@dataclass(frozen=True, slots=True)
class Span:
    """First byte of a member in its shard, and its bytes."""

    offset: int
    size: int


class SpanReader:
    """Reads members of local and remote shards. A process has its own: open files are not shared over a fork."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, BinaryIO] = OrderedDict()

    def read(self, url: str, spans: Sequence[Span]) -> list[bytes]:
        """The bytes of some members of one shard; on a store they are fetched at the same time.

        Raises:
            SourceError: The shard is gone, cannot be read, or is shorter than it was.
        """
        try:
            found = self._read_local(url, spans) if local_path(url) is not None else _fetch(url, spans)
        except FileNotFoundError as error:
            raise SourceError(f"there is no {url} any more") from error
        except (OSError, TargetError, SpecError) as error:
            raise SourceError(f"{url} cannot be read: {error}") from error
        if any(len(data) != span.size for data, span in zip(found, spans, strict=True)):
            raise SourceError(f"{url} is shorter than it was", hint=_CHANGED)
        return found

    def _read_local(self, url: str, spans: Sequence[Span]) -> list[bytes]:
        file = self._file(url)
        found = []
        for span in spans:
            file.seek(span.offset)
            found.append(file.read(span.size))
        return found

    def _file(self, url: str) -> BinaryIO:
        if url not in self._open:
            path = local_path(url)
            assert path is not None
            self._open[url] = open_plain(path)
            if len(self._open) > MAX_OPEN_SHARDS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(url)
        return self._open[url]

    def close(self) -> None:
        """Close what is open; it is opened again when it is needed."""
        while self._open:
            self._open.popitem()[1].close()


def _fetch(url: str, spans: Sequence[Span]) -> list[bytes]:
    filesystem = filesystem_of(url)
    path = str(filesystem._strip_protocol(url))
    starts, ends = [span.offset for span in spans], [span.offset + span.size for span in spans]
    with remote_errors(url):
        found = filesystem.cat_ranges([path] * len(spans), starts, ends, on_error="raise")
    return [bytes(data) for data in found]
