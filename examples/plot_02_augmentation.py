"""
What augmentation does
======================

An original above random variants of it, with the report's two settings: the stronger one
of its picture, and the one it trained with. The second shifts by up to a fifth of the image
and hardly turns it, for OCT scans lie flat.
"""

import octsk

scans = octsk.make_oct_phantoms(200, random_state=0)
image = scans.data[scans.target == 1][2]

stronger = octsk.OCTAugmenter.from_preset("demonstration")
octsk.AugmentationDisplay.from_augmenter(stronger, image, random_state=0)

# %%
octsk.AugmentationDisplay.from_augmenter(octsk.OCTAugmenter(), image, random_state=0)
