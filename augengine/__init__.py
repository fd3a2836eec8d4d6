"""Stain-translation augmentation for digital pathology, at scale."""
