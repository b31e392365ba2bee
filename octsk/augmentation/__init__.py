"""Augmentation: random changes of training images, on the fly or as a transformer."""

from octsk.augmentation._augmenter import OCTAugmenter

__all__ = ["OCTAugmenter"]
