"""Augmentation while a trainer runs: a transform for images in the style of torchvision's."""

from augengine.errors import missing_package

try:
    from augengine.torch.stain_noise import StainNoise
except ModuleNotFoundError as error:
    raise missing_package("augengine.torch", error, "torch 'augengine[write]'") from error

__all__ = ["StainNoise"]
