"""Masks that lie beside their images under names of their own: with a suffix, or in a folder of masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "inputs", "input", "slides", "wsi", "wsis")
_MASK_FOLDERS = (
    "masks", "mask", "labels", "label", "targets", "target", "segs", "seg", "segmentations", "annotations",
    "ground_truth", "groundtruth", "gt", "mask_images", "annotation", "segmentation",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What is the mask of what, by names without their extensions.

    Attributes:
        images: Mask -> its image, which may be a mask by its name itself.
        lost: What is a mask by its name, and has no image.
    """

    images: Mapping[str, str]
    lost: frozenset[str]

    @property
    def sound(self) -> frozenset[str]:
        """The masks whose images are no masks themselves."""
        return frozenset(mask for mask, image in self.images.items() if image not in self.images)


def pair_masks(pictures: Iterable[str], images: Collection[str], suffix: str) -> Pairs:
    """Find the image of each picture that is a mask by its name.

    ``k_mask`` is the mask of ``k``, and ``masks/k`` or ``masks/k_mask`` that of ``images/k`` or ``k``. A folder holds
    masks where one of its pictures has an image elsewhere.

    Args:
        pictures: Names without extensions, with slashes.
        images: Those that may be images.
        suffix: What a mask has after the name of its image.
    """
    pictures = tuple(pictures)
    candidates = (
        (name, next((image for image in _images_of(name, suffix) if image in images), None)) for name in pictures
    )
    pairs = {name: image for name, image in candidates if image is not None}
    folders = {_folder(name) for name, image in pairs.items() if _folder(name) != _folder(image)}
    lost = (name for name in pictures if name not in pairs and (name.endswith(suffix) or _folder(name) in folders))
    return Pairs(images=pairs, lost=frozenset(lost))


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _images_of(name: str, suffix: str) -> Iterator[str]:
    """The names that the image of a mask may have."""
    stems = [name, name.removesuffix(suffix)] if name.endswith(suffix) else [name]
    yield from stems[1:]
    for at, folder in enumerate(name.split("/")[:-1]):
        if folder.lower() in _MASK_FOLDERS:
            for parts in (stem.split("/") for stem in stems):
                yield from ("/".join((*parts[:at], other, *parts[at + 1 :])) for other in _image_folders(folder))
                yield "/".join((*parts[:at], *parts[at + 1 :]))


@cache
def _image_folders(masks: str) -> tuple[str, ...]:
    """What the folder of the images can be called beside one of masks: in the same letter case first."""
    like = str.upper if masks.isupper() else str.capitalize if masks[:1].isupper() else str.lower
    return tuple(dict.fromkeys(form(name) for form in (like, str.lower, str.capitalize) for name in _IMAGE_FOLDERS))
