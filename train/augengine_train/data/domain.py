"""One side of a training: the pictures of a stain, split into what is trained on and what is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self, overload

from augengine.errors import SourceError, SpecError
from augengine.pictures.arrays import RgbImage
from augengine.tiling.patients import Patients, Split
from augengine_train.data.picture_cache import BUDGET
from augengine_train.data.pictures import Pictures
from augengine_train.data.places import find_pictures
from augengine_train.data.splits import Holdout


class Window(NamedTuple):
    """Columns ``left`` ... ``right - 1`` of picture number ``picture``, all rows."""

    picture: int
    left: int
    right: int


class Windows(Sequence[RgbImage]):
    """Windows of pictures: read-only uint8 (H, W, 3) each, decoded when asked for.

    Attributes:
        names: What the source calls the pictures.
        sizes: (height, width) in pixels.
        digest: blake2b (16 bytes, hex) of what they show: the pictures' bytes, and where the windows lie in them.
    """

    def __init__(self, pictures: Pictures, windows: Sequence[Window]) -> None:
        self._pictures = pictures
        self._windows = tuple(windows)
        self.names = tuple(pictures.names[window.picture] for window in self._windows)
        self.digest = _digest(pictures, self._windows)
        self.sizes = tuple((pictures.sizes[w.picture][0], w.right - w.left) for w in self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    @overload
    def __getitem__(self, index: int) -> RgbImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[RgbImage]: ...
    def __getitem__(self, index: int | slice) -> RgbImage | list[RgbImage]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        window = self._windows[index]
        return self._pictures[window.picture][:, window.left : window.right]


def _digest(pictures: Pictures, windows: Sequence[Window]) -> str:
    seen = blake2b(digest_size=16)
    for window in windows:
        seen.update(pictures.digests[window.picture] + f"{window.left} {window.right} ".encode())
    return seen.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The pictures of one stain.

    Attributes:
        name: The stain.
        images: What is trained on: uint8 (H, W, 3) each, of any sizes; decoded on demand when they come from files.
            Empty where everything is held out, to be measured only.
        held_out: What is measured on; may be empty.
        mpp: um/px of all of them; None if nobody said.
        patients: The split of each patient; empty without a patients' file.
    """

    name: str
    images: Sequence[RgbImage]
    held_out: Sequence[RgbImage] = ()
    mpp: float | None = None
    patients: Mapping[str, Split] = field(default_factory=dict)

    @classmethod
    def of_arrays(cls, name: str, images: Sequence[RgbImage], held_out: Sequence[RgbImage] = ()) -> Self:
        """A domain of pictures in memory."""
        return cls(name=name, images=tuple(images), held_out=tuple(held_out))

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each picture that is trained on, without decoding."""
        return sizes_of(self.images)


def sizes_of(images: Sequence[RgbImage]) -> tuple[tuple[int, int], ...]:
    """(height, width) of each picture."""
    return images.sizes if isinstance(images, Windows) else tuple((len(i), i.shape[1]) for i in images)


def names_of(images: Sequence[RgbImage]) -> tuple[str, ...]:
    """What the source calls each picture; its number where there is no source."""
    return images.names if isinstance(images, Windows) else tuple(str(number) for number in range(len(images)))


def open_domain(
    text: str,
    *,
    name: str,
    mpp: float | None = None,
    target_mpp: float | None = None,
    patients: Patients | Path | None = None,
    holdout: Holdout | None = None,
    budget: int = BUDGET,
    check_pixels: bool = False,
) -> Domain:
    """The pictures of a stain, checked: whole fields, patches in a folder, or source shards.

    Their sizes may differ, since crops are drawn from them. Every file is read once for its header.

    Args:
        text: An image, a folder of images or of tars, a tar, a brace pattern, a glob, an URL of tars.
        name: Name of the stain.
        mpp: um/px of pictures whose json says none.
        target_mpp: um/px wanted; pictures are resampled to exactly that. None takes them as they are.
        patients: Patients and their splits, or the CSV file that says them; ``validation`` is held out, ``test``
            is left alone.
        holdout: What is held out where there are no patients.
        budget: Bytes of decoded pictures to keep in memory.
        check_pixels: Decode every picture once, see `Pictures.check_pixels`.

    Raises:
        SourceError: Missing, unreadable, no 8-bit RGB, damaged, unknown um/px, or a patient in two splits.
        SpecError: Values out of range, or both ``patients`` and ``holdout``.
    """
    pictures = Pictures(find_pictures(text, name=name), text, mpp=mpp, target_mpp=target_mpp, budget=budget)
    if patients is not None and holdout is not None:
        raise SpecError("patients already say what is held out", hint="give either patients or a holdout")
    if check_pixels:
        pictures.check_pixels(text)
    table = Patients.read(patients) if isinstance(patients, Path) else patients
    of = table.split(pictures.names, text) if table else []
    holdout = holdout or Holdout()
    splits = [split for _, split in of] or holdout.split(pictures.names, text)
    images, held_out = _windows(pictures, splits, holdout.strip)
    return Domain(name=name, images=images, held_out=held_out, mpp=_one_mpp(pictures, target_mpp), patients=dict(of))


def _windows(pictures: Pictures, splits: Sequence[Split], strip: float) -> tuple[Windows, Windows]:
    trained: list[Window] = []
    held_out: list[Window] = []
    for index, ((_, width), split) in enumerate(zip(pictures.sizes, splits, strict=True)):
        border = width - round(strip * width)
        if split == "train":
            trained.append(Window(index, 0, border))
            held_out += [Window(index, border, width)] if border < width else []
        elif split == "validation":
            held_out.append(Window(index, 0, width))
    return Windows(pictures, trained), Windows(pictures, held_out)


def _one_mpp(pictures: Pictures, target: float | None) -> float | None:
    if target is not None:
        return target
    if len(pictures.mpps) > 1:
        raise SourceError(
            f"the pictures have several um/px: {sorted(pictures.mpps)}", hint="say which is wanted: --target-mpp"
        )
    return next(iter(pictures.mpps), None)
