"""
Results on another device
=========================

A network that was trained on scans from one device may fail on those from another. This
example evaluates a network on both devices separately. The scans are phantoms, which are
synthetic, and the second device is imitated by darker, blurred and noisier copies.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

import octsk


def other_device(images):
    """Make images darker, blurred and noisier."""
    blurred = gaussian_filter(0.7 * images.astype(float), (0, 0.6, 0.6))
    noise = np.random.default_rng(0).normal(0, 8, images.shape)
    return np.clip(blurred + noise, 0, 255).astype(np.uint8)


train = octsk.make_oct_phantoms(1500, random_state=0)
test = octsk.make_oct_phantoms(400, random_state=1)
X = np.concatenate([test.data[:200], other_device(test.data[200:])])
device = np.repeat(["A", "B"], 200)

net = octsk.SmallOCTNet(epochs=8, augmentation=None, random_state=0)
net.fit(train.data, train.target)

# %%
# The report shows the results for each device, and the largest gap between them with its
# confidence interval.

report = octsk.evaluate(net, X, test.target, dataset=test, by={"device": device})
print(report)

# %%
# The predicted classes of images from device B show how the network fails.

octsk.ConfusionDisplay.from_estimator(
    net, X[200:], test.target[200:], class_names=["CNV", "DME", "drusen", "normal"]
)
