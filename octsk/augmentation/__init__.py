"""Augmentation of training images, on the fly or as a transformer or resampler."""

from octsk.augmentation._augmenter import OCTAugmenter
from octsk.augmentation._presets import PRESETS as PRESETS

__all__ = ["OCTAugmenter"]
