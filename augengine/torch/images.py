"""Which parts of a sample are images, as torchvision's transforms of the second version tell them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from augengine.errors import SpecError

_MASK_MODES = ("1", "L", "P", "I", "I;16", "F")
_TENSORS = "torchvision.tv_tensors"
_IMAGE_DIMENSIONS = 3

Change = Callable[[Any], Any]


def change_images(sample: Any, change: Change) -> Any:
    """A sample with every image changed and everything else as it is.

    Images are Pillow's RGB pictures and torchvision's ``tv_tensors.Image``. Without any of these the first other tensor
    of three dimensions or more is the image, and all others stay. Pillow's pictures of one channel are masks.

    Args:
        sample: An image, or any nesting of tuples, lists and dicts.
        change: Called with each image: a Pillow picture, or a uint8 tensor (..., 3, H, W).

    Raises:
        SpecError: What stands where an image stands is not 8-bit RGB, or nothing in the sample is an image.
    """
    walk = _Walk(change, plain=not any(map(_is_marked, _leaves(sample))))
    changed = walk.walk(sample)
    if not walk.changed:
        kinds = sorted({type(each).__name__ for each in _leaves(sample)})
        hint = (
            "it takes uint8 tensors (..., 3, H, W) and Pillow's RGB pictures: torch.from_numpy(image).permute(2, 0, 1)"
        )
        raise SpecError(f"nothing is an image among {', '.join(kinds) or 'nothing'}", hint=hint)
    return changed


def is_picture(value: Any) -> bool:
    """Whether it is a Pillow picture that is no mask."""
    return isinstance(value, Image.Image) and value.mode not in _MASK_MODES


def _leaves(sample: Any) -> Iterator[Any]:
    """Everything in a sample that is no tuple, list or dict."""
    if isinstance(sample, Mapping):
        for each in sample.values():
            yield from _leaves(each)
    elif isinstance(sample, list | tuple):
        for each in sample:
            yield from _leaves(each)
    else:
        yield sample


def _is_marked(value: Any) -> bool:
    """Whether its type alone says that it is an image."""
    return is_picture(value) or _kind(value) == "Image"


def _kind(value: Any) -> str:
    """``Image``, ``Mask``, ``BoundingBoxes`` ... of torchvision; empty for anything else."""
    kind = type(value)
    return kind.__name__ if kind.__module__.startswith(_TENSORS) else ""


class _Walk:
    """One walk through a sample.

    Args:
        change: Called with each image.
        plain: Whether the first tensor of three dimensions is the image, since no other is marked as one.
    """

    def __init__(self, change: Change, *, plain: bool) -> None:
        self._change, self._plain, self.changed = change, plain, False

    def walk(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            walked = copy.copy(value) if isinstance(value, MutableMapping) else {}
            walked.update({name: self.walk(each) for name, each in value.items()})
            return walked
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self.walk, value))
        if isinstance(value, list | tuple):
            return type(value)(map(self.walk, value))
        return self._change_one(value)

    def _change_one(self, value: Any) -> Any:
        if is_picture(value):
            if value.mode != "RGB":
                raise SpecError(f"an image is in RGB, got Pillow's mode {value.mode}", hint="image.convert('RGB')")
            self.changed = True
            return self._change(value)
        if _kind(value) == "Image" or (self._plain and _may_be_image(value)):
            self._plain, self.changed = self._plain and _kind(value) == "Image", True
            return _like(self._change(_checked(value)), value)
        return value


def _may_be_image(value: Any) -> bool:
    return isinstance(value, Tensor) and not _kind(value) and value.ndim >= _IMAGE_DIMENSIONS


def _checked(image: Tensor) -> Tensor:
    """An image as a plain tensor."""
    if image.dtype != torch.uint8 or image.ndim < _IMAGE_DIMENSIONS or image.shape[-3] != 3:
        hint = "put StainNoise before the step that makes floats: it takes what a decoder gives"
        raise SpecError(f"an image is a uint8 tensor (..., 3, H, W), got {image.dtype} {tuple(image.shape)}", hint=hint)
    return image.as_subclass(Tensor)


def _like(image: Tensor, other: Tensor) -> Tensor:
    """An image of the same kind of tensor as another, with what that kind carries along."""
    if type(other) is Tensor:
        return image
    wrapped = other.clone()
    wrapped.copy_(image)
    return wrapped
