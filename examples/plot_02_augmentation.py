"""
Plot augmented images
=====================

This example shows an image above random variants of it, for the report's two settings:
first the stronger one of its figure, then the one with which it trained. The second one
shifts images by up to a fifth of their size but hardly rotates them, because the retina is
roughly horizontal in OCT scans.
"""

import octsk

scans = octsk.make_oct_phantoms(200, random_state=0)
image = scans.data[scans.target == 1][2]

stronger = octsk.OCTAugmenter.from_preset("demonstration")
octsk.AugmentationDisplay.from_augmenter(stronger, image, random_state=0)

# %%
octsk.AugmentationDisplay.from_augmenter(octsk.OCTAugmenter(), image, random_state=0)
