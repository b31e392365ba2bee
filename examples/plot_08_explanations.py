"""
Which image regions drive a prediction
======================================

This example plots saliency maps of two methods for images with known lesions, which are
outlined in white. :doc:`/user_guide/explaining` reports how often the maps point at the
lesions.
"""

import numpy as np

import octsk

train = octsk.make_oct_phantoms(2000, random_state=0)
test = octsk.make_oct_phantoms(200, random_state=1)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target)

right = (net.predict(test.data) == test.target) & (test.target < 3)
chosen = np.flatnonzero(right)[:4]


def explain(method):
    """Plot the maps of a method with the outlines of the lesions."""
    display = octsk.ExplanationDisplay.from_estimator(
        net,
        test.data[chosen],
        test.target[chosen],
        method=method,
        class_names=["CNV", "DME", "drusen", "normal"],
    )
    for ax, mask in zip(display.ax_[1], test.lesion_mask[chosen], strict=True):
        ax.contour(mask, levels=[0.5], colors="white", linewidths=0.8)


explain("occlusion")

# %%
explain("grad_cam")
