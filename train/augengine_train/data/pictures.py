"""Pictures at one um/px: checked at the start, decoded when they are asked for, kept as far as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import overload

from augengine.errors import ContentError, SourceError, SpecError
from augengine.machine import cpu_threads
from augengine.pictures.arrays import RgbImage
from augengine.pictures.images import check_image
from augengine.pictures.resample import resample, resampled_size, whole_scale
from augengine.spec import MAX_SIDE
from augengine_train.data.decoding import PlaceReader
from augengine_train.data.picture_cache import BUDGET, PictureCache
from augengine_train.data.places import Place, refuse_bad

_MAX_ENLARGEMENT = 1.2
_MAX_THREADS = 4  # a whole field may take 800 MB in each


class Pictures(Sequence[RgbImage]):
    """Read-only uint8 pictures (H, W, 3), decoded and resampled on demand; the last ones used stay in memory.

    Args:
        places: Where they lie.
        text: The source as the user named it.
        mpp: um/px of pictures whose json says none.
        target_mpp: um/px wanted; None leaves every picture as it is.
        budget: Bytes of decoded pictures to keep, in each process.

    Attributes:
        names: What the source calls them.
        sizes: (height, width) in pixels, after resampling.
        digests: blake2b of each file's bytes, 16 bytes.
        mpps: The um/px known before resampling, each once.

    Raises:
        SourceError: Some are no 8-bit RGB pictures or are too large, their um/px are unknown though one is wanted,
            or they would have to be enlarged.
    """

    def __init__(
        self, places: Sequence[Place], text: str, *, mpp: float | None, target_mpp: float | None, budget: int = BUDGET
    ) -> None:
        self._places = tuple(places)
        self._factors = _factors(self._places, text, mpp, target_mpp)
        self._kept = PictureCache(budget)
        self._reader = PlaceReader()
        self.names = tuple(place.name for place in self._places)
        self.mpps = frozenset(found for place in self._places if (found := place.mpp or mpp) is not None)
        headers = _check_all(self._places, text)
        self.digests = tuple(header.digest for header in headers)
        self.sizes = tuple(resampled_size(each.size, by) for each, by in zip(headers, self._factors, strict=True))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> RgbImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[RgbImage]: ...
    def __getitem__(self, index: int | slice) -> RgbImage | list[RgbImage]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self._kept.get(index, lambda: self._decode(index))

    def check_pixels(self, text: str) -> None:
        """Decode every picture once: a header says nothing of what is damaged behind it.

        Raises:
            SourceError: Some are damaged; it names the first ones.
        """
        with ThreadPoolExecutor(min(cpu_threads(), _MAX_THREADS)) as pool:
            reasons = dict(zip(self.names, pool.map(_why_damaged, self._places), strict=True))
        refuse_bad({name: reason for name, reason in reasons.items() if reason}, text)

    def _decode(self, index: int) -> RgbImage:
        return resample(self._reader.image(self._places[index]), self._factors[index])


def _factors(places: Sequence[Place], text: str, mpp: float | None, target: float | None) -> tuple[float, ...]:
    for value in (mpp, target):
        if value is not None and not 0 < value < 100:
            raise SpecError(f"mpp must be in (0, 100) um/px, got {value}")
    if target is None:
        return (1.0,) * len(places)
    found = [place.mpp or mpp for place in places]
    if unknown := [place.name for place, each in zip(places, found, strict=True) if each is None]:
        raise SourceError(
            f"the um/px of {len(unknown)} of {len(places)} pictures of {text} are unknown, {target} are wanted: "
            f"{unknown[0]}",
            hint='say --mpp, or put {"mpp": 0.25} into a json beside each picture',
        )
    return tuple(_factor(place.name, each, target) for place, each in zip(places, found, strict=True) if each)


def _factor(name: str, mpp: float, target: float) -> float:
    if mpp > _MAX_ENLARGEMENT * target:
        hint = "train at the coarser scale, or get finer pictures: enlarging invents no detail"
        raise SourceError(f"{name} has {mpp} um/px and would be enlarged to {target}", hint=hint)
    return 1 / whole_scale(target / mpp)


@dataclass(frozen=True, slots=True)
class _Header:
    """What reading a file tells without decoding it: (height, width), and the digest of its bytes."""

    size: tuple[int, int]
    digest: bytes


def _check_all(places: Sequence[Place], text: str) -> list[_Header]:
    """Everything is read once, so that a bad picture is named before hours of training."""
    headers: list[_Header] = []
    reasons: dict[str, str] = {}
    for place in places:
        try:
            data = place.read()
            headers.append(_Header(check_image(data, max_side=MAX_SIDE), blake2b(data, digest_size=16).digest()))
        except ContentError as error:
            reasons[place.name] = error.message
    refuse_bad(reasons, text)
    return headers


def _why_damaged(place: Place) -> str:
    try:
        PlaceReader().image(place)
    except SourceError as error:
        return error.message
    return ""
