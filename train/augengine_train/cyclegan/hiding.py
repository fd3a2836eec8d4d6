"""Hide and seek: a network looks for markers in A' through noise, and the generators learn to leave nothing to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from augengine.draws.philox import derive_key
from augengine.errors import SpecError

_SLOPE = 0.2
_PACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """How hard the generators are taught to hide markers.

    A plain CycleGAN has no reason to keep its code of the markers faint: two cores train it for hours, and the code
    still stands out in A' and outlasts the noise of an augmentation. Here a seeker learns to find the markers in
    A' + n, n ~ N(0, sigma^2). What it cannot find, noise of that strength wipes out.

    Attributes:
        weight: Of the loss that the generators pay for what the seeker finds.
        sigma: Standard deviation of the noise it looks through, in [-1, 1] units of A'.
        emphasis: How much more than others a marker's pixels count in the stain's cycle loss; without it the
            generators would drop the markers to hide them.
    """

    weight: float = 10.0
    sigma: float = 0.1
    emphasis: float = 10.0

    def __post_init__(self) -> None:
        for name, least, most in (("weight", 0.0, 1000.0), ("sigma", 0.0, 1.0), ("emphasis", 0.0, 1000.0)):
            if not least <= getattr(self, name) <= most:
                raise SpecError(f"hiding's {name} must be {least:g} ... {most:g}, got {getattr(self, name)}")


class MarkerSeeker(nn.Module):
    """Says where markers are, at half the size: float (N, 3, H, W) to (N, 1, H / 2, W / 2), 1 marker, 0 none.

    It sees 22 px around a place, about a cell at 0.5 um/px.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            *_layer(32, kernel=4, stride=2),
            *_layer(64),
            *_layer(64, dilation=2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(64, 1, 1),
        )

    def forward(self, x_nchw: Tensor) -> Tensor:
        """How likely each place holds a marker."""
        found: Tensor = self.model(x_nchw)
        return found


def _layer(channels: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, 64, kernel, stride=stride, padding=dilation, dilation=dilation)
    return [convolution, nn.InstanceNorm2d(64), nn.LeakyReLU(_SLOPE)]


class HideAndSeek:
    """The seeker, its optimiser and its noise, which is a pure function of the seed and of how often it looked.

    Attributes:
        hiding: How hard.
        seeker: The network, without what distributes it.
        adam: Its optimiser.
    """

    def __init__(self, hiding: Hiding, *, seed: int, lr: float, betas: tuple[float, float], accelerator: Accelerator):
        self.hiding, self.seeker = hiding, MarkerSeeker().to(accelerator.device)
        _init(self.seeker, derive_key(seed, "seeker"))
        self._seeker = accelerator.prepare_model(self.seeker)
        self.adam = torch.optim.Adam(self.seeker.parameters(), _PACE * lr, betas, fused=True)
        self._key = derive_key(seed, f"seek/{accelerator.process_index}")
        self._looks = 0

    def set_rate(self, lr: float) -> None:
        """Twice the other networks' rate: the seeker must keep up with both generators."""
        for group in self.adam.param_groups:
            group["lr"] = _PACE * lr

    def weights(self, markers: Tensor) -> Tensor:
        """The weight of each pixel in the stain's cycle loss: 1, and more on a marker; of ``markers``' shape."""
        return 1 + self.hiding.emphasis * markers

    def hide(self, fake_reference: Tensor, markers: Tensor) -> Tensor:
        """The generators' loss. It is 0 if the seeker answers 0.5 everywhere, which means that it knows nothing."""
        self.seeker.requires_grad_(requires_grad=False)
        # Frozen, so nothing to reduce: called without what distributes it.
        return _distance(self._look(self.seeker, fake_reference), markers, on=0.5, off=0.5)

    def seek(self, fake_reference: Tensor, markers: Tensor) -> Tensor:
        """The seeker's loss. It is 0 if it finds every marker, and 0.5 if it knows nothing."""
        self.seeker.requires_grad_(requires_grad=True)
        return _distance(self._look(self._seeker, fake_reference.detach()), markers, on=1.0, off=0.0)

    def _look(self, seeker: nn.Module, fake_reference: Tensor) -> Tensor:
        noise = torch.Generator(fake_reference.device).manual_seed((self._key + self._looks) % 2**63)
        self._looks += 1
        drawn = torch.randn(fake_reference.shape, generator=noise, device=fake_reference.device)
        found: Tensor = seeker(fake_reference + self.hiding.sigma * drawn)
        return found.float()

    def state_dict(self) -> dict[str, Any]:
        """The seeker, its optimiser, and how often it looked."""
        return {"seeker": self.seeker.state_dict(), "adam": self.adam.state_dict(), "looks": self._looks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.seeker.load_state_dict(state["seeker"])
        self.adam.load_state_dict(state["adam"])
        self._looks = int(state["looks"])


def _distance(found: Tensor, markers: Tensor, *, on: float, off: float) -> Tensor:
    """Mean squared distance from ``on`` where markers are plus that from ``off`` elsewhere; both count alike."""
    there = (functional.avg_pool2d(markers, 2) >= 0.5).float()  # half of its four pixels
    return _mean((found - on).square(), there) + _mean((found - off).square(), 1 - there)


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)


def _init(network: nn.Module, key: int) -> None:
    random = torch.Generator().manual_seed(key % 2**63)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, _SLOPE, generator=random)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
