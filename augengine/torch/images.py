"""Which parts of a sample are images, as torchvision's transforms of the second version tell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from augengine.errors import SpecError

_MASK_MODES = ("1", "L", "P", "I", "I;16", "F")
_TENSORS = "torchvision.tv_tensors"

Change = Callable[[Any], Any]


def change_images(sample: Any, change: Change) -> Any:
    """A sample with every image changed and everything else as it is.

    Images are Pillow's RGB pictures and torchvision's ``tv_tensors.Image``. Without any of these the first plain
    tensor is the image, as for torchvision, and all others stay. Pillow's pictures of one channel are masks.

    Args:
        sample: An image, or any nesting of tuples, lists and dicts.
        change: Called with each image: a Pillow picture, or a uint8 tensor (..., 3, H, W).

    Raises:
        SpecError: What stands where an image stands is not 8-bit RGB.
    """
    return _Walk(change, plain=not _any_image(sample)).walk(sample)


def is_picture(value: Any) -> bool:
    """Whether it is a Pillow picture that is no mask."""
    return isinstance(value, Image.Image) and value.mode not in _MASK_MODES


def _any_image(sample: Any) -> bool:
    if isinstance(sample, Mapping):
        return any(map(_any_image, sample.values()))
    if isinstance(sample, list | tuple):
        return any(map(_any_image, sample))
    return is_picture(sample) or _kind(sample) == "Image"


def _kind(value: Any) -> str:
    """``Image``, ``Mask``, ``BoundingBoxes`` ... of torchvision; empty for anything else."""
    kind = type(value)
    return kind.__name__ if kind.__module__.startswith(_TENSORS) else ""


class _Walk:
    """One walk through a sample; ``plain`` says that its first plain tensor is the image."""

    def __init__(self, change: Change, *, plain: bool) -> None:
        self._change, self._plain = change, plain

    def walk(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            walked = {name: self.walk(each) for name, each in value.items()}
            return walked if type(value) is dict else type(value)(walked)  # type: ignore[call-arg]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self.walk, value))
        if isinstance(value, list | tuple):
            return type(value)(map(self.walk, value))
        return self._change_one(value)

    def _change_one(self, value: Any) -> Any:
        if is_picture(value):
            if value.mode != "RGB":
                raise SpecError(f"an image is in RGB, got Pillow's mode {value.mode}", hint="image.convert('RGB')")
            return self._change(value)
        if _kind(value) == "Image":
            return _wrapped(self._change(_checked(value.as_subclass(Tensor))), value)
        if self._plain and type(value) is Tensor:
            self._plain = False
            return self._change(_checked(value))
        return value


def _checked(image: Tensor) -> Tensor:
    if image.dtype != torch.uint8 or image.ndim < 3 or image.shape[-3] != 3:
        hint = "put StainNoise before the step that makes floats: it takes what a decoder gives"
        raise SpecError(f"an image is a uint8 tensor (..., 3, H, W), got {image.dtype} {tuple(image.shape)}", hint=hint)
    return image


def _wrapped(image: Tensor, like: Any) -> Any:
    from torchvision import tv_tensors  # there, since one of its tensors came in

    return tv_tensors.wrap(image, like=like)
