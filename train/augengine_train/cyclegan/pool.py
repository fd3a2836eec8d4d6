"""The pool of past translations that a discriminator is shown some of (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from augengine.draws.philox import derive_key, philox4x32, uniform


class ImagePool:
    """Keeps up to ``size`` images and swaps some of the new ones for old ones.

    While it fills, an image is kept and returned. Once full, an image is returned as it is with probability 1/2;
    else it takes the place of a random one, which is returned. Draws are keyed by (seed, name, images seen), so the
    state is the images and that count.

    Args:
        size: Images to keep; 0 returns every image as it is.
        seed: The training's seed.
        name: Tells the pools of one training apart.
    """

    def __init__(self, size: int, seed: int, name: str) -> None:
        self.size = size
        self._key = derive_key(seed, f"pool/{name}")
        self._images: list[Tensor] = []
        self._seen = 0

    def __len__(self) -> int:
        return len(self._images)

    def swap(self, images_nchw: Tensor) -> Tensor:
        """Give, for each image of a batch, itself or an older one; same shape, detached from any graph."""
        if self.size == 0:
            return images_nchw.detach()
        return torch.stack([self._swap_one(image) for image in images_nchw.detach()])

    def _swap_one(self, image: Tensor) -> Tensor:
        keep, place = self._draw()
        self._seen += 1
        if len(self._images) < self.size:
            self._images.append(image.clone())
            return image
        if keep:
            return image
        old, self._images[place] = self._images[place], image.clone()
        return old

    def _draw(self) -> tuple[bool, int]:
        words = philox4x32(tuple(np.array([w], dtype=np.uint32) for w in (self._seen, 0, 0, 0)), self._key)  # type: ignore[arg-type]
        keep, place = (1.0 - float(uniform(word)[0]) for word in words[:2])
        return keep < 0.5, int(place * self.size)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers alone."""
        images = [image.contiguous().cpu() for image in self._images]
        return {"seen": self._seen, "images": images}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on where `state_dict` was taken; the images move to ``device``."""
        self._seen = int(state["seen"])
        self._images = [image.to(device) for image in state["images"]]
