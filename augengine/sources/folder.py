"""A folder of images, with masks and sidecars beside them or masks in a parallel folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NoReturn

from augengine.errors import ContentError, SourceError
from augengine.images import read_size
from augengine.listing import Entry, Listing, Unit, digest_entries, make_listing
from augengine.report import Job
from augengine.sample import Failure, Sample, check_key, make_key, printable
from augengine.shards.read import IMAGE_EXTS, MAX_JSON_BYTES, check_bytes, parse_meta

_NO_FILE = -1


@dataclass(frozen=True, slots=True)
class _Found:
    """An image's files, relative to the folder, and why it is bad if its names tell already."""

    image: str
    mask: Path | None
    meta: Path | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Images anywhere below a folder, in the order of their relative paths.

    Hidden files and folders are left out. A symbolic link that leads out of the folder is refused, not skipped:
    skipping would lose samples without a word. ``name.json`` beside ``name.png`` is its metadata.

    Attributes:
        folder: Absolute path.
        masks: A parallel folder whose masks have the images' relative names, with or without the suffix; every
            image needs one there. None: a mask lies beside its image, and not every image needs one.
        mask_suffix: What a mask's name has after the image's: ``tile_mask.png`` for ``tile.png``.
    """

    kind: ClassVar[str] = "folder"

    folder: str
    masks: str | None = None
    mask_suffix: str = "_mask"

    def scan(self) -> Listing:
        """List the images; see `Source`."""
        found = self._find()
        unit = Unit(source=self.folder, entries=tuple(self._entry(each, measure=True) for each in found))
        return make_listing([unit], mpps=self._mpps(found), splits=True)

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's images; see `Source`."""
        found = self._listed[job.first : job.first + job.count]
        entries = [self._entry(each, measure=False) for each in found]
        if digest_entries(entries) != job.digest:
            hint = "augment into a new folder, or put the files back as they were"
            raise SourceError(f"the images of {self.folder} changed since {job.output} was planned", hint=hint)
        for ordinal, (each, entry) in enumerate(zip(found, entries, strict=True), start=job.first):
            reason = job.excluded.get(ordinal, "") or entry.reason
            yield Failure(entry.key, reason) if reason else self._read(each, entry.key)

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return {"kind": self.kind, **asdict(self)}

    @cached_property
    def _listed(self) -> tuple[_Found, ...]:
        # Kept for the next job of this worker: listing a million names for every shard would take longer than it.
        return self._find()

    def _find(self) -> tuple[_Found, ...]:
        root = Path(self.folder)
        masks = Path(self.masks) if self.masks else None
        names = sorted(_walk(root, leave_out=masks))
        images = [name for name in names if _extension(name) in IMAGE_EXTS]
        known = _by_stem(_walk(masks, leave_out=None) if masks else images)
        sidecars = {name for name in names if _extension(name) == "json"}
        stems = {_stem(name) for name in images}
        found = tuple(
            self._match(name, known, sidecars) for name in images if masks or not self._is_mask_of(_stem(name), stems)
        )
        if masks and not any(each.mask for each in found):
            hint = "masks have the images' names, folders included"
            raise SourceError(f"no mask in {masks} has the name of an image in {root}", hint=hint)
        return found

    def _is_mask_of(self, stem: str, stems: set[str]) -> bool:
        return stem.endswith(self.mask_suffix) and stem.removesuffix(self.mask_suffix) in stems

    def _match(self, name: str, known: Mapping[str, str], sidecars: set[str]) -> _Found:
        stem = _stem(name)
        meta = f"{stem}.json"
        mask = known.get(stem + self.mask_suffix) or (known.get(stem) if self.masks else None)
        reason = ""
        if self.masks and mask is None:
            reason = f"it has no mask in {self.masks}"
        elif not self.masks and stem.endswith(self.mask_suffix):
            reason = "it is a mask by its name, without an image beside it"
        mask_root = Path(self.masks or self.folder)
        sidecar = Path(self.folder, meta) if meta in sidecars else None
        return _Found(image=name, mask=mask_root / mask if mask else None, meta=sidecar, reason=printable(reason))

    def _files(self, found: _Found) -> dict[str, Path]:
        files = {_extension(found.image): Path(self.folder, found.image), "mask": found.mask, "json": found.meta}
        return {role: file for role, file in files.items() if file is not None}

    def _entry(self, found: _Found, *, measure: bool) -> Entry:
        files, reason = self._files(found), found.reason
        sizes = {role: _size(file) for role, file in files.items()}
        listed = tuple(
            (printable(os.path.relpath(file, self.folder)), max(sizes[role], 0)) for role, file in files.items()
        )
        try:
            if missing := [role for role, size in sizes.items() if size == _NO_FILE]:
                raise ContentError(f"its {missing[0]} is no plain file that can be read")
            check_bytes(sizes)
        except ContentError as error:
            reason = reason or error.message
        height, width = _measure(files[_extension(found.image)]) if measure and not reason else (0, 0)
        return Entry(key=make_key(found.image), files=listed, height=height, width=width, reason=reason)

    def _read(self, found: _Found, key: str) -> Sample | Failure:
        try:
            check_key(key)
            data = {role: file.read_bytes() for role, file in self._files(found).items()}
            meta = parse_meta(data["json"]) if "json" in data else {}
        except ContentError as error:
            return Failure(key, error.message)
        except PermissionError as error:
            return Failure(key, f"it cannot be read: {error.strerror}")
        except OSError as error:
            raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
        extension = _extension(found.image)
        return Sample(key=key, image=data[extension], image_ext=extension, mask=data.get("mask"), meta=meta)

    def _mpps(self, found: tuple[_Found, ...]) -> Iterator[float]:
        for each in found:
            if each.meta is None or not 0 <= _size(each.meta) <= MAX_JSON_BYTES:
                continue
            try:
                sample = Sample(key="", image=b"", image_ext="", meta=parse_meta(each.meta.read_bytes()))
            except (ContentError, OSError):
                continue  # named when the sample is read
            if sample.mpp is not None:
                yield sample.mpp


def _walk(root: Path, *, leave_out: Path | None) -> Iterator[str]:
    """Relative names of the files below ``root``, hidden ones left out."""
    resolved = root.resolve()
    for folder, folders, files in os.walk(root, onerror=_refuse):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and here / name != leave_out]
        for name in (*folders, *files):
            _check_link(here / name, resolved)
        yield from (_relative(here / name, root) for name in files if not name.startswith("."))


def _relative(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def _check_link(path: Path, root: Path) -> None:
    # By realpath, which bears links that lead back to themselves.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        hint = "copy what it points to into the folder, or give the folder it points to"
        raise SourceError(f"{path} is a symbolic link that leads out of {root}", hint=hint)


def _refuse(error: OSError) -> NoReturn:
    raise SourceError(f"{error.filename} cannot be listed: {error.strerror}") from error


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _stem(name: str) -> str:
    return name.rpartition(".")[0] if _extension(name) else name


def _by_stem(names: Iterator[str] | list[str]) -> dict[str, str]:
    """Name without extension -> name; a png before other formats."""
    images = [name for name in names if _extension(name) in IMAGE_EXTS]
    return {_stem(name): name for name in sorted(images, key=lambda n: (_extension(n) == "png", n))}


def _size(file: Path) -> int:
    try:
        found = file.stat()
    except OSError:
        return _NO_FILE
    return found.st_size if stat.S_ISREG(found.st_mode) else _NO_FILE


def _measure(file: Path) -> tuple[int, int]:
    try:
        with file.open("rb") as stream:
            return read_size(stream) or (0, 0)
    except OSError:
        return 0, 0
