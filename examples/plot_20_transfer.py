"""
Fine-tune a network for another device
======================================

A network that was trained on scans from one device is often less accurate on those from
another. If only a few scans from the new device are labelled, fine-tuning the network
usually works better than training a new one.

All scans are phantoms, which are synthetic, and the new device is imitated by darker,
blurred and noisier copies, so the size of the effect says nothing about real scans.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.metrics import balanced_accuracy_score

import octsk


def other_device(images):
    """Make images darker, blurred and noisier."""
    blurred = gaussian_filter(0.7 * images.astype(float), (0, 0.6, 0.6))
    noise = np.random.default_rng(0).normal(0, 8, images.shape)
    return np.clip(blurred + noise, 0, 255).astype(np.uint8)


train = octsk.make_oct_phantoms(1500, random_state=0)
few = octsk.make_oct_phantoms(100, random_state=1)
test = octsk.make_oct_phantoms(400, random_state=2)
X_few, X_test = other_device(few.data), other_device(test.data)

# %%
# Train a network on scans from the first device, and fine-tune it with ``init_from`` and a
# low learning rate. For comparison, train a new network on the few scans only.

params = dict(augmentation=None, random_state=0)
first = octsk.SmallOCTNet(epochs=8, **params).fit(train.data, train.target)
new = octsk.SmallOCTNet(epochs=20, **params).fit(X_few, few.target)
tuned = octsk.SmallOCTNet(epochs=20, init_from=first, learning_rate=3e-4, **params)
tuned.fit(X_few, few.target)

nets = {"first network": first, "new network": new, "fine-tuned network": tuned}
scores = [
    balanced_accuracy_score(test.target, net.predict(X_test)) for net in nets.values()
]

fig, ax = plt.subplots(figsize=(5.5, 2), layout="constrained")
ax.bar_label(ax.barh(list(nets), scores, color="#0072B2"), fmt="%.2f", padding=3)
ax.invert_yaxis()
ax.set(xlim=(0, 1), xlabel="balanced accuracy on the other device (phantoms)")
ax.axvline(0.25, color="grey", linestyle=":", label="chance")
_ = ax.legend()
