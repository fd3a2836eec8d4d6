"""A folder of images, with masks and sidecars beside them or masks in a parallel folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import Any, ClassVar

from augengine.errors import ContentError, SourceError
from augengine.jobs import Job
from augengine.json_values import to_json
from augengine.listing import Entry, Listing, Unit, digest_entries, failed_as, make_listing, say_left_out
from augengine.sample import Failure, Sample, check_key, make_key, printable
from augengine.shards.groups import LOST_MASK, MAX_JSON_BYTES, check_bytes
from augengine.shards.pairing import Pairs, pair_masks
from augengine.shards.read import meta_text, parse_meta
from augengine.shards.roles import IMAGE_EXTS
from augengine.sources.trees import NO_FILE, Tree, tree_of
from augengine.spec import MASK_SUFFIX
from augengine.storage import in_order, is_url

_NO_PAIRS = Pairs(images={}, lost=frozenset())
_MASK_OF_A_MASK = "it is the mask of a mask by its name"
_APART = "put masks into a folder of their own and name it with --masks, or add _mask to their names"
_SAMPLES_AHEAD = 4
"""Samples of a folder on a store that are fetched while others are used."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Names of an image's files, the mask's in the tree of masks, and why it is bad if its names tell already."""

    image: str
    mask: str | None
    meta: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The folders as they were listed."""

    images: Tree
    masks: Tree
    found: tuple[_Found, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Images anywhere below a folder on a disk or a store, in the order of their relative paths.

    Hidden files and folders are left out. A symbolic link that leads out of the folder is refused, not skipped:
    skipping would lose samples without a word. ``name.json`` beside ``name.png`` is its metadata.

    Attributes:
        folder: Absolute path, or URL.
        masks: A parallel folder, or its URL, whose masks have the images' relative names, with or without the
            suffix; every image needs one there. None: a mask lies beside its image, and not every image needs one.
        mask_suffix: What a mask's name has after the image's: ``tile_mask.png`` for ``tile.png``.
    """

    kind: ClassVar[str] = "folder"

    folder: str
    masks: str | None = None
    mask_suffix: str = MASK_SUFFIX

    def scan(self) -> Listing:
        """List the images; see `Source`."""
        opened = self._open()
        tasks = (partial(self._entry, opened, each, measure=True) for each in opened.found)
        unit = Unit(source=self.folder, entries=tuple(in_order(tasks, ahead=opened.images.at_a_time - 1)))
        notes = [say_left_out(opened.left_out)] if opened.left_out else []
        return make_listing([unit], mpps=self._mpps(opened), splits=True, notes=notes)

    def read(self, job: Job) -> Iterator[Sample | Failure]:
        """Read a job's images; see `Source`."""
        opened = self._opened
        found = opened.found[job.first : job.first + job.count]
        entries = [self._entry(opened, each, measure=False) for each in found]
        if digest_entries(entries) != job.digest:
            hint = "augment into a new folder, or put the files back as they were"
            raise SourceError(f"the images of {self.folder} changed since {job.output} was planned", hint=hint)
        reasons = [job.excluded.get(ordinal, "") or entry.reason for ordinal, entry in enumerate(entries, job.first)]
        tasks = map(partial(partial, self._outcome, opened), found, (entry.key for entry in entries), reasons)
        return in_order(tasks, ahead=min(_SAMPLES_AHEAD, opened.images.at_a_time - 1))

    def _outcome(self, opened: _Opened, found: _Found, key: str, reason: str) -> Sample | Failure:
        return Failure(failed_as(found.image, key, reason), reason) if reason else self._read(opened, found, key)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, **to_json(self)}

    @cached_property
    def _opened(self) -> _Opened:
        # Kept for the next job of this worker: listing a million names for every shard would take longer than it.
        return self._open()

    def _open(self) -> _Opened:
        images = tree_of(self.folder)
        masks = tree_of(self.masks) if self.masks else images
        names, mask_names = sorted(images.names(leave_out=self.masks)), sorted(masks.names()) if self.masks else []
        found = self._find(names, mask_names)
        return _Opened(images, masks, found, tuple(_left_out(names, mask_names, found)))

    def _find(self, names: Sequence[str], mask_names: Sequence[str]) -> tuple[_Found, ...]:
        images = _by_stem(names)
        sidecars = {name for name in names if _extension(name) == "json"}
        pairs = pair_masks(images, images, self.mask_suffix) if not self.masks else _NO_PAIRS
        masks = self._parallel(images, _by_stem(mask_names)) if self.masks else _beside(images, pairs)
        bad = dict.fromkeys(pairs.images, _MASK_OF_A_MASK) | dict.fromkeys(pairs.lost, LOST_MASK)
        found = tuple(
            self._match(name, images[_stem(name)], masks.get(_stem(name), []), sidecars, bad.get(_stem(name), ""))
            for name in names
            if _extension(name) in IMAGE_EXTS and _stem(name) not in pairs.sound
        )
        if self.masks and not any(each.mask for each in found):
            hint = "masks have the images' names, folders included"
            raise SourceError(f"no mask in {self.masks} has the name of an image in {self.folder}", hint=hint)
        return found

    def _parallel(self, images: Iterable[str], masks: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Image -> its masks in the parallel folder."""
        return {stem: masks.get(stem + self.mask_suffix, []) + masks.get(stem, []) for stem in images}

    def _match(self, name: str, alike: list[str], masks: list[str], sidecars: set[str], reason: str) -> _Found:
        """An image with its files; ``alike`` are the images of its name, ``reason`` says why it is none."""
        stem = _stem(name)
        meta = f"{stem}.json"
        if len(alike) > 1:
            reason = f"{' and '.join(alike)} have one name: which is the image? ({_APART})"
        elif len(masks) > 1:
            reason = f"it has {' and '.join(masks)}: which is the mask? (remove one)"
        elif self.masks and not masks:
            reason = f"it has no mask in {self.masks}"
        mask = masks[0] if masks else None
        return _Found(image=name, mask=mask, meta=meta if meta in sidecars else None, reason=printable(reason))

    def _entry(self, opened: _Opened, found: _Found, *, measure: bool) -> Entry:
        files, reason = _files(opened, found), found.reason
        sizes = {role: tree.size(name) for role, (tree, name) in files.items()}
        listed = tuple(
            (printable(self._shown(tree, name)), max(sizes[role], 0)) for role, (tree, name) in files.items()
        )
        try:
            if missing := [role for role, size in sizes.items() if size == NO_FILE]:
                raise ContentError(f"its {missing[0]} is no plain file that can be read")
            check_bytes(sizes)
        except ContentError as error:
            reason = reason or error.sentence
        height, width = opened.images.measure(found.image) if measure and not reason else (0, 0)
        mask = listed[1][0] if found.mask is not None and not reason else ""
        return Entry(key=make_key(found.image), files=listed, height=height, width=width, mask=mask, reason=reason)

    def _shown(self, tree: Tree, name: str) -> str:
        """How a plan calls a file: by its path from the folder, as far as there is one."""
        if is_url(tree.root) != is_url(self.folder):
            return f"{tree.root}/{name}"
        return os.path.relpath(f"{tree.root}/{name}", self.folder)

    def _read(self, opened: _Opened, found: _Found, key: str) -> Sample | Failure:
        try:
            check_key(key)
            data = {role: tree.read(name) for role, (tree, name) in _files(opened, found).items()}
            meta = parse_meta(data["json"]) if "json" in data else {}
            text = meta_text(data.get("json", b""))
        except ContentError as error:
            return Failure(key, error.sentence)
        except PermissionError as error:
            return Failure(key, f"it cannot be read: {error.strerror}")
        except OSError as error:
            raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
        extension = _extension(found.image)
        return Sample(
            key=key, image=data[extension], image_ext=extension, mask=data.get("mask"), meta=meta, meta_text=text
        )

    def _mpps(self, opened: _Opened) -> Iterator[float]:
        metas = [each.meta for each in opened.found if each.meta is not None]
        tasks = (partial(_mpp, opened.images, meta) for meta in metas)
        return (mpp for mpp in in_order(tasks, ahead=opened.images.at_a_time - 1) if mpp is not None)


def _left_out(names: Sequence[str], mask_names: Sequence[str], found: Sequence[_Found]) -> Iterator[str]:
    """The files that are of no sample, of the folder of images and then of that of masks."""
    metas, masks = {each.meta for each in found}, {each.mask for each in found}
    yield from (printable(name) for name in names if _extension(name) not in IMAGE_EXTS and name not in metas)
    yield from (printable(name) for name in mask_names if name not in masks)


def _files(opened: _Opened, found: _Found) -> dict[str, tuple[Tree, str]]:
    """Role -> where."""
    files = {_extension(found.image): (opened.images, found.image)}
    if found.mask is not None:
        files["mask"] = (opened.masks, found.mask)
    if found.meta is not None:
        files["json"] = (opened.images, found.meta)
    return files


def _mpp(tree: Tree, name: str) -> float | None:
    """um/px that an image's json says; None if it says none, or is named as bad when the sample is read."""
    if not 0 <= tree.size(name) <= MAX_JSON_BYTES:
        return None
    try:
        return Sample(key="", image=b"", image_ext="", meta=parse_meta(tree.read(name))).mpp
    except (ContentError, OSError):
        return None


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _stem(name: str) -> str:
    return name.rpartition(".")[0] if _extension(name) else name


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Name without extension -> the images of that name, in order."""
    found: dict[str, list[str]] = {}
    for name in sorted(name for name in names if _extension(name) in IMAGE_EXTS):
        found.setdefault(_stem(name), []).append(name)
    return found


def _beside(images: Mapping[str, list[str]], pairs: Pairs) -> dict[str, list[str]]:
    """Image -> its masks in the same folder, or in one of masks beside it."""
    found: dict[str, list[str]] = {}
    for mask in sorted(pairs.sound):
        found.setdefault(pairs.images[mask], []).extend(images[mask])
    return found
