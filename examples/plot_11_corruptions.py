"""
Robustness to noise and blur
============================

The test images are corrupted in five severities. The error is 1 minus the balanced
accuracy. In such a short training, augmentation does more harm than good.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.metrics import balanced_accuracy_score

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
test = octsk.make_oct_phantoms(300, random_state=1)


def noise(images, severity):
    """Add Gaussian noise with a standard deviation of up to 60 grey levels."""
    added = np.random.default_rng(0).normal(0, 12 * severity, images.shape)
    return np.clip(images + added, 0, 255).astype(np.uint8)


def blur(images, severity):
    """Blur each image with a standard deviation of up to two pixels."""
    return gaussian_filter(images, (0, 0.4 * severity, 0.4 * severity))


rows = []
for name, augmentation in [("plain", None), ("augmented", True)]:
    net = octsk.SmallOCTNet(epochs=8, augmentation=augmentation, random_state=0)
    net.fit(train.data, train.target)
    for corrupt in (noise, blur):
        for severity in range(6):
            predicted = net.predict(corrupt(test.data, severity))
            error = 1 - balanced_accuracy_score(test.target, predicted)
            rows.append((name, corrupt.__name__, severity, error))
octsk.CorruptionDisplay.from_table(rows)
