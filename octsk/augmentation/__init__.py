"""Augmentation: random changes of training images, on the fly or as a transformer."""

from octsk.augmentation._augmenter import PRESETS, OCTAugmenter

__all__ = ["PRESETS", "OCTAugmenter"]
