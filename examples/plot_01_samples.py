"""
Plot sample images
==================

The 2021 report begins with sixteen training images and their classes. This example shows
phantoms, which are synthetic. Data sets read by :func:`octsk.load_medmnist` are plotted in
the same way.
"""

import octsk

scans = octsk.make_oct_phantoms(200, random_state=0)
octsk.ImageGridDisplay.from_dataset(scans, n_images=16, random_state=0)

# %%
# In a notebook, a data set displays its shapes, classes and first images:

scans
