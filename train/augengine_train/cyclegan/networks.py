"""The discriminator, the initialisation, and the four networks of a CycleGAN as the two that play each other."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from augengine.generator import Generator, Recipe

_SLOPE = 0.2


DiscriminatorNorm = Literal["instance", "spectral"]
"""``instance`` scales each channel of an image; ``spectral`` each convolution, by its largest singular value."""

Maps = tuple[Tensor, ...]
"""What a discriminator makes of a batch: float (N, 1, h, w) a scale, 1 real, 0 drawn; the finest scale first."""


class PatchDiscriminator(nn.Module):
    """PatchGAN with a receptive field of 70 px: at width 64 C64-C128-C256-C512, then one channel.

    Every convolution has kernels of 4; the first three halve the image. Instance norm everywhere but in the first
    layer, LeakyReLU 0.2, no activation at the end. With the spectral norm (Miyato et al. 2018, "Spectral
    normalization for generative adversarial networks") there is no instance norm; `add_spectral_norm` puts it on.
    A discriminator of several scales (Wang et al. 2018, "High-resolution image synthesis with conditional GANs") has
    one more such network for the image at half its size, and so on.

    Args:
        width: Channels of the first convolution.
        norm: Which norm; see `DiscriminatorNorm`.
        scales: Number of scales, each half of the one before.
    """

    def __init__(self, width: int = 64, norm: DiscriminatorNorm = "instance", scales: int = 1) -> None:
        super().__init__()
        # The finest has a name of its own: checkpoints with one scale are those of all earlier versions.
        self.model = _patch_layers(width, norm)
        self.coarser = nn.ModuleList(_patch_layers(width, norm) for _ in range(scales - 1))

    def forward(self, x_nchw: Tensor) -> Maps:
        """Float (N, 3, H, W) to a map of patches by scale: (N, 1, H // 8 - 2, W // 8 - 2) of the finest."""
        maps = [self.model(x_nchw)]
        for coarser in self.coarser:
            x_nchw = functional.avg_pool2d(x_nchw, 2)
            maps.append(coarser(x_nchw))
        return tuple(maps)


def _patch_layers(width: int, norm: DiscriminatorNorm) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
    for c, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        layers.append(nn.Conv2d(c, 2 * c, 4, stride=stride, padding=1))
        layers += [nn.InstanceNorm2d(2 * c)] if norm == "instance" else []
        layers.append(nn.LeakyReLU(_SLOPE))
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))


class Cycles(NamedTuple):
    """What both generators made of one image of each stain; float (N, 3, H, W) each.

    ``fake_*`` is a translation into that stain, ``back_*`` the image translated there and back, ``same_*`` the image
    put through the generator into its own stain (None without the identity loss).
    """

    fake_reference: Tensor
    fake_stain: Tensor
    back_reference: Tensor
    back_stain: Tensor
    same_reference: Tensor | None
    same_stain: Tensor | None

    def float(self) -> Cycles:
        """The same in float32."""
        fakes = self.fake_reference.float(), self.fake_stain.float()
        backs = self.back_reference.float(), self.back_stain.float()
        same = (None if image is None else image.float() for image in (self.same_reference, self.same_stain))
        return Cycles(*fakes, *backs, *same)


class GeneratorPair(nn.Module):
    """Both generators behind one call, so that a step is one forward pass for whoever distributes it.

    Attributes:
        to_reference: Stain to reference, the paper's G_BA.
        from_reference: Reference to stain, G_AB.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.to_reference = Generator(recipe)
        self.from_reference = Generator(recipe)

    def forward(self, reference: Tensor, stain: Tensor, *, identity: bool) -> Cycles:
        """Both cycles of a batch of each stain."""
        fake_stain, same_stain = _translate(self.from_reference, reference, stain if identity else None)
        fake_reference, same_reference = _translate(self.to_reference, stain, reference if identity else None)
        return Cycles(
            fake_reference=fake_reference,
            fake_stain=fake_stain,
            back_reference=self.to_reference(fake_stain),
            back_stain=self.from_reference(fake_reference),
            same_reference=same_reference,
            same_stain=same_stain,
        )


def _translate(generator: Generator, images: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Two batches in one pass: an instance norm keeps them apart."""
    if own is None:
        return generator(images), None
    fake, same = generator(torch.cat([images, own])).chunk(2)
    return fake, same


class DiscriminatorPair(nn.Module):
    """Both discriminators behind one call.

    Attributes:
        reference: Judges images of the reference stain.
        stain: Judges images of the stain.
    """

    def __init__(self, width: int = 64, norm: DiscriminatorNorm = "instance", scales: int = 1) -> None:
        super().__init__()
        self.reference = PatchDiscriminator(width, norm, scales)
        self.stain = PatchDiscriminator(width, norm, scales)

    def forward(self, reference: Tensor, stain: Tensor) -> tuple[Maps, Maps]:
        """What each makes of a batch of its stain."""
        return self.reference(reference), self.stain(stain)


def init_normal(module: nn.Module, sigma: float, random: torch.Generator) -> None:
    """Draw every convolution's weights from N(0, sigma) and set its biases to 0; norms start as the identity."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, sigma, generator=random)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def add_spectral_norm(module: nn.Module, seed: int) -> None:
    """Divide every convolution's weights by an estimate of their largest singular value, which each pass renews.

    After `init_normal`, which could not reach the weights behind the norm. The first estimate starts from a vector
    that the seed alone decides.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]:
            parametrizations.spectral_norm(layer)
