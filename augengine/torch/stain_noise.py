"""The transform `StainNoise`: an image becomes a variant of itself with some probability, masks and boxes stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from augengine.dataset.augmenter import Augmenter
from augengine.errors import SpecError
from augengine.pictures.arrays import RgbImage
from augengine.spec import BackendName, Precision
from augengine.torch.images import change_images, is_picture

_KEYS = 2**62


class StainNoise(nn.Module):
    """Translates an image to the reference stain, adds noise there and translates it back, with probability ``p``.

    It is called as a transform of torchvision v2 is: with one image, several arguments, or any nesting of tuples, lists
    and dicts. What it takes for an image is told by `augengine.torch.images.change_images`; everything else is handed
    back as it is, for markers move and tissue stays. Draws come from torch's generator, so that
    `torch.manual_seed` makes them repeatable and each worker of a DataLoader has its own.

    A copy that was pickled, or that a worker got by a fork, opens engines of its own at its first call. OpenVINO does
    not survive a fork: where the parent process has used it before, give the DataLoader
    ``multiprocessing_context="spawn"``.

    Args:
        stain: The images' stain: its name, or a TOML file.
        eps: Upper bound of the noise's standard deviation, in units of the [-1, 1] range; None takes the stain's own.
        p: Probability that an image is changed, in [0, 1]; the paper uses 0.5. Each image of a batch has its own coin.
        seed: Root of the noise, beside torch's generator: two transforms with other seeds draw other noise.
        weights: Folder of generators; None searches where `augment` does.
        precision: Precision inside the generators; None takes the fastest within the noise budget.
        backend: What runs the generators. On a machine with a GPU ``openvino`` keeps the GPU to the training.
        threads: CPU threads of each process that calls it.

    Raises:
        SpecError: ``p`` or ``eps`` is out of range, or no eps is known for this stain.
        StainError, WeightsError: No such stain or generators.
    """

    def __init__(
        self,
        stain: str,
        eps: float | None = None,
        p: float = 0.5,
        *,
        seed: int = 0,
        weights: str | Path | None = None,
        precision: Precision | None = None,
        backend: BackendName = "auto",
        threads: int = 1,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise SpecError(f"p must be in [0, 1], got {p}", hint="the paper uses p = 0.5")
        self.p = p
        self._options: dict[str, Any] = {
            "stain": stain,
            "eps": eps,
            "seed": seed,
            "weights": weights,
            "precision": precision,
            "backend": backend,
            "threads": threads,
        }
        self._augmenter: Augmenter | None = Augmenter(**self._options)
        self.eps = self._augmenter.eps

    def forward(self, *inputs: Any) -> Any:
        """The same structure with its images changed or not; one argument comes back alone, several as a tuple.

        Raises:
            SpecError: An image is not 8-bit RGB.
            ContentError: The generators cannot take it.
            EngineError: The process was forked from one that had used OpenVINO.
        """
        found = change_images(inputs, self._change)
        return found[0] if len(inputs) == 1 else found

    def extra_repr(self) -> str:
        """What torch prints between the brackets."""
        return f"{self._options['stain']!r}, eps={self.eps:g}, p={self.p:g}, seed={self._options['seed']}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_augmenter": None}

    def _change(self, image: Any) -> Any:
        return self._change_picture(image) if is_picture(image) else self._change_tensor(image)

    def _change_picture(self, picture: Image.Image) -> Image.Image:
        return Image.fromarray(self._vary(np.asarray(picture))) if self._coin() else picture

    def _change_tensor(self, image_nchw: Tensor) -> Tensor:
        """Each image of a uint8 tensor (..., 3, H, W), on its own device."""
        if not image_nchw.numel():
            return image_nchw
        images = image_nchw.detach().cpu().reshape(-1, *image_nchw.shape[-3:]).permute(0, 2, 3, 1).numpy()
        made = [self._vary(image) if self._coin() else image for image in images]
        changed = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).reshape(image_nchw.shape)
        return changed.contiguous().to(image_nchw.device)

    def _coin(self) -> bool:
        return bool(torch.rand(()) < self.p)

    def _vary(self, image_hwc: NDArray[np.uint8]) -> RgbImage:
        if self._augmenter is None:
            self._augmenter = Augmenter(**self._options)
        key = str(int(torch.randint(_KEYS, ())))
        found: RgbImage = self._augmenter(image_hwc, key=key)[0]
        return found
