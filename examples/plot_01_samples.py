"""
What the images look like
=========================

The report begins with sixteen training images and their classes. Here are phantoms, drawn
by a program; a data set read by :func:`octsk.load_medmnist` is shown in the same way.
"""

import octsk

scans = octsk.make_oct_phantoms(200, random_state=0)
octsk.ImageGridDisplay.from_dataset(scans, n_images=16, random_state=0)

# %%
# In a notebook a data set shows its shapes, its classes and its first images by itself:

scans
