"""Which parts of a sample a transform takes for images: as torchvision's second version does."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from augengine.errors import SpecError
from augengine.torch.images import change_images
from tests.support.reader_packages import load

tv_tensors, v2 = load("torchvision.tv_tensors"), load("torchvision.transforms.v2")
Transform: Any = v2.Transform
Pair = namedtuple("Pair", ["image", "mask"])


def image(value: int = 1) -> Tensor:
    return torch.full((3, 4, 5), value, dtype=torch.uint8)


def mask() -> Tensor:
    return torch.ones((4, 5), dtype=torch.uint8)


def picture(mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (5, 4))


def tv_image() -> Any:
    return tv_tensors.Image(image())


def tv_mask() -> Any:
    return tv_tensors.Mask(mask())


def boxes() -> Any:
    return tv_tensors.BoundingBoxes(torch.tensor([[0, 0, 2, 2]]), format="XYXY", canvas_size=(4, 5))


def blacken(value: Any) -> Any:
    return Image.new("RGB", value.size, "black") if isinstance(value, Image.Image) else value * 0


class Blacken(Transform):  # type: ignore[misc]
    """What torchvision itself takes for images."""

    def transform(self, value: Any, params: Any) -> Any:
        if isinstance(value, tv_tensors.Image):
            return tv_tensors.wrap(blacken(value), like=value)
        return blacken(value) if isinstance(value, Image.Image) or type(value) is Tensor else value


SAMPLES: dict[str, Any] = {
    "a tensor": image(),
    "a picture": picture(),
    "image and mask as tensors": (image(), mask()),
    "only the first tensor": (image(), image(2), image(3)),
    "tensors of torchvision": (tv_image(), tv_mask(), boxes(), image(2)),
    "a picture goes before tensors": (image(), picture()),
    "two images": [tv_image(), tv_image()],
    "a dict": {"mask": tv_mask(), "image": tv_image(), "label": 3, "name": "k"},
    "a sample of open_dataset": {"image": image(), "mask": mask(), "json": {"x": 1}, "ordinal": 7},
    "nested": ({"image": picture()}, [tv_mask(), None, "text"]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_images_are_those_of_torchvision(name: str) -> None:
    sample = SAMPLES[name]
    assert _shown(change_images(sample, blacken)) == _shown(Blacken()(sample))


def _shown(value: Any) -> Any:
    """A structure with its leaves as texts."""
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return (type(value), np.asarray(value).tolist()) if isinstance(value, Tensor | Image.Image) else value


def test_structures_keep_their_types() -> None:
    found = change_images(Pair(image(), mask()), lambda x: x + 1)
    assert type(found) is Pair
    assert (int(found.image.max()), int(found.mask.max())) == (2, 1)
    ordered = change_images(OrderedDict(b=mask(), a=tv_image()), lambda x: x + 1)
    assert (type(ordered), list(ordered)) == (OrderedDict, ["b", "a"])
    assert type(ordered["a"]) is tv_tensors.Image
    assert int(ordered["a"].max()) == 2


@pytest.mark.parametrize("mode", ["L", "P", "1", "I"])
def test_a_picture_of_one_channel_is_a_mask(mode: str) -> None:
    sample = (picture(), picture(mode))
    assert change_images(sample, lambda _: None)[1] is sample[1]


def test_a_label_before_the_image_is_no_image() -> None:
    label, found = change_images((torch.tensor(1), image()), blacken)
    assert (int(label), int(found.max())) == (1, 0)


def test_other_kinds_of_tensors_and_dicts_keep_their_kind_and_what_they_carry() -> None:
    made = load("monai.data").MetaTensor(image(), meta={"file": "k"})
    sample = defaultdict(list, image=made)
    found = change_images(sample, blacken)
    assert (type(found), found.default_factory) == (defaultdict, list)
    assert (type(found["image"]), found["image"].meta["file"]) == (type(made), "k")
    assert (int(found["image"].max()), int(made.max())) == (0, 1)


@pytest.mark.parametrize("sample", [{"image": np.zeros((4, 5, 3), np.uint8)}, (picture("L"), 1), [], mask()])
def test_a_sample_without_any_image_is_refused_by_what_it_holds(sample: Any) -> None:
    with pytest.raises(SpecError, match="nothing is an image among") as caught:
        change_images(sample, blacken)
    assert "permute" in caught.value.hint


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (image().float(), "float32"),
        (torch.zeros((4, 5, 3), dtype=torch.uint8), r"\(4, 5, 3\)"),
        (picture("RGBA"), "RGBA"),
        (tv_tensors.Image(torch.zeros((1, 4, 5))), r"float32 \(1, 4, 5\)"),
    ],
)
def test_what_is_not_8_bit_rgb_is_refused_with_what_to_do(bad: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        change_images(bad, lambda x: x)
    assert caught.value.hint
