"""The files anywhere below a folder, on a disk or on a store: their names, sizes, headers and bytes."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, Protocol

from augengine.errors import SourceError, TargetError
from augengine.pictures.headers import read_size
from augengine.sources.tars import resolve
from augengine.storage import REQUESTS_AT_A_TIME, is_url, open_plain, remote_errors

NO_FILE = -1
"""The size of what is no plain file that can be read."""

_AGAIN = "check the store and the credentials in the environment, then run again"
_HEAD_BYTES = 1 << 16


class Tree(Protocol):
    """What a source of images needs of a folder. Names are relative, with slashes; hidden files are left out."""

    @property
    def root(self) -> str:
        """Absolute path, or URL."""
        ...

    @property
    def at_a_time(self) -> int:
        """How many files are best asked for together: their answers take their time on a store."""
        ...

    def names(self, *, leave_out: str | None = None) -> Iterator[str]:
        """The files, in any order, without those below the folder ``leave_out`` (a path or URL).

        Raises:
            SourceError: It cannot be listed, or a symbolic link leads out of it.
        """
        ...

    def size(self, name: str) -> int:
        """Bytes of a file, or `NO_FILE`."""
        ...

    def measure(self, name: str) -> tuple[int, int]:
        """Height and width by an image's header; zeros if it cannot be read."""
        ...

    def read(self, name: str) -> bytes:
        """The whole content of a file.

        Raises:
            OSError: A file on a disk cannot be read.
            SourceError: A file on a store cannot be read, or has another size than it was listed with.
        """
        ...


def tree_of(folder: str) -> Tree:
    """A folder's files by its absolute path or URL.

    Raises:
        SourceError: An unknown protocol, or one whose package is missing.
    """
    return StoredTree(folder.rstrip("/")) if is_url(folder) else LocalTree(folder)


@dataclass(frozen=True, slots=True)
class LocalTree:
    """Files on a disk; a symbolic link out of the folder is refused."""

    root: str
    at_a_time = 1

    def names(self, *, leave_out: str | None = None) -> Iterator[str]:
        """Implement `Tree`."""
        root = Path(self.root)
        resolved, left_out = root.resolve(), Path(leave_out) if leave_out else None
        for folder, folders, files in os.walk(root, onerror=_refuse):
            here = Path(folder)
            folders[:] = [name for name in folders if not name.startswith(".") and here / name != left_out]
            for name in (*folders, *files):
                _check_link(here / name, resolved)
            yield from ((here / name).relative_to(root).as_posix() for name in files if not name.startswith("."))

    def size(self, name: str) -> int:
        """Implement `Tree`."""
        try:
            found = Path(self.root, name).stat()
        except OSError:
            return NO_FILE
        return found.st_size if stat.S_ISREG(found.st_mode) else NO_FILE

    def measure(self, name: str) -> tuple[int, int]:
        """Implement `Tree`."""
        try:
            with open_plain(Path(self.root, name)) as stream:
                return read_size(stream) or (0, 0)
        except OSError:
            return 0, 0

    def read(self, name: str) -> bytes:
        """Implement `Tree`."""
        with open_plain(Path(self.root, name)) as stream:
            return stream.read()


@dataclass(frozen=True)
class StoredTree:
    """Objects on a store, listed once."""

    root: str
    at_a_time = REQUESTS_AT_A_TIME

    def names(self, *, leave_out: str | None = None) -> Iterator[str]:
        """Implement `Tree`."""
        below = f"{leave_out}/" if leave_out else None
        for name in self._sizes:
            if below is None or not f"{self.root}/{name}".startswith(below):
                yield name

    def size(self, name: str) -> int:
        """Implement `Tree`."""
        return self._sizes.get(name, NO_FILE)

    def measure(self, name: str) -> tuple[int, int]:
        """Implement `Tree`."""
        head = self._ask(name, end=_HEAD_BYTES) if self.size(name) > 0 else b""
        found = read_size(io.BytesIO(head))
        if found is None and self.size(name) > _HEAD_BYTES:  # a TIFF may describe itself at its end
            found = read_size(io.BytesIO(self.read(name)))
        return found or (0, 0)

    def read(self, name: str) -> bytes:
        """Implement `Tree`."""
        data = self._ask(name)
        if len(data) != self.size(name):
            hint = "augment into a new folder, or put it back as it was"
            raise SourceError(f"{self.root}/{name} has {len(data)} bytes, was listed with {self.size(name)}", hint=hint)
        return data

    def _ask(self, name: str, **span: Any) -> bytes:
        filesystem, path = self._resolved
        try:
            with remote_errors(self.root):
                return bytes(filesystem.cat_file(f"{path}/{name}", **({"start": 0} | span if span else {})))
        except FileNotFoundError:
            raise SourceError(f"there is no {self.root}/{name} any more") from None
        except TargetError as error:
            raise SourceError(f"{self.root}/{name} cannot be read: {error.message}", hint=_AGAIN) from error

    @cached_property
    def _resolved(self) -> tuple[Any, str]:
        filesystem, path = resolve(self.root)
        return filesystem, path.rstrip("/")

    @cached_property
    def _sizes(self) -> dict[str, int]:
        filesystem, path = self._resolved
        try:
            with remote_errors(self.root):
                found = filesystem.find(path, detail=True)
        except FileNotFoundError:
            raise SourceError(f"there is no folder {self.root}") from None
        except TargetError as error:
            raise SourceError(f"{self.root} cannot be listed: {error.message}", hint=_AGAIN) from error
        files = {str(name): int(each["size"]) for name, each in found.items() if each["type"] == "file"}
        below = {name.removeprefix(f"{path}/"): size for name, size in files.items() if name.startswith(f"{path}/")}
        return {name: size for name, size in below.items() if not _hidden(name)}

    def __getstate__(self) -> dict[str, str]:
        return {"root": self.root}


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _check_link(path: Path, root: Path) -> None:
    # By realpath, which bears links that lead back to themselves.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        hint = "copy what it points to into the folder, or give the folder it points to"
        raise SourceError(f"{path} is a symbolic link that leads out of {root}", hint=hint)


def _refuse(error: OSError) -> NoReturn:
    raise SourceError(f"{error.filename} cannot be listed: {error.strerror}") from error
