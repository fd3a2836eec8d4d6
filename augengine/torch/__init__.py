"""Augmentation while a trainer runs: a transform for images in the style of torchvision's."""

from augengine.torch.stain_noise import StainNoise

__all__ = ["StainNoise"]
