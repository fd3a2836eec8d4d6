"""Kernel Inception Distance by torchmetrics, with a feature network of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from augengine.errors import CheckpointError
from augengine.pictures.arrays import RgbImage

_HINT = (
    "a TorchScript file is needed that takes uint8 (N, 3, H, W) and gives (N, features), such as the public Inception "
    "network of the FID tools; none comes with augengine"
)


def load_features(file: Path, device: torch.device) -> nn.Module:
    """A feature network from a TorchScript file. Such a file holds code: load only one you trust.

    Raises:
        CheckpointError: Missing or no TorchScript.
    """
    try:
        with warnings.catch_warnings():
            # torch calls TorchScript deprecated; the public feature networks come in no other form.
            warnings.simplefilter("ignore", DeprecationWarning)
            network: nn.Module = torch.jit.load(str(file), map_location=device)  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{file} cannot be read as a feature network: {reason}", hint=_HINT) from error
    return network.eval()


def kernel_distance(real: Sequence[RgbImage], fake: Sequence[RgbImage], features: nn.Module) -> float | None:
    """KID between two lists of uint8 (H, W, 3) tiles, over one subset of all of them; None for fewer than two.

    The estimate is unbiased and noisy: with a few dozen tiles it compares generators, not papers, and a good one may
    come out slightly below 0.

    Raises:
        CheckpointError: The network does not take the tiles, or gives no features.
    """
    # Deferred: torchmetrics takes a second to import, and most validations do without.
    from torchmetrics.image.kid import KernelInceptionDistance

    count = min(len(real), len(fake))
    if count < 2:
        return None
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore", UserWarning)  # it remarks that it keeps all features
            metric = KernelInceptionDistance(feature=features, subsets=1, subset_size=count)
            for tiles, is_real in ((real, True), (fake, False)):
                for tile in tiles[:count]:
                    metric.update(_batch(tile, features), real=is_real)
            mean, _ = metric.compute()
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"the feature network does not fit: {reason}", hint=_HINT) from error
    return float(mean)


def _batch(tile: RgbImage, features: nn.Module) -> Tensor:
    on = next((parameter.device for parameter in features.parameters()), torch.device("cpu"))
    return torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None].to(on)
