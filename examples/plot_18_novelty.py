"""
Reject images that are not OCT scans
====================================

A network assigns one of its classes to every image, even to a chest X-ray.
:class:`octsk.NoveltyGate` rejects images whose features differ from those of the training
images. The scans are phantoms and the X-ray is a drawing; both are synthetic.
"""

import matplotlib.pyplot as plt
import numpy as np

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
val = octsk.make_oct_phantoms(300, random_state=1)
test = octsk.make_oct_phantoms(300, random_state=2)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target)
gate = octsk.NoveltyGate(net).fit(train.data, val.data)


def draw_xray(rng):
    """Draw two dark lungs, the ribs and a bright heart."""
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    image = 150 + 25 * np.sin(9 * y + 3 * x**2)  # ribs
    for side in (-1, 1):
        lung = ((x - side * rng.uniform(0.4, 0.5)) / 0.35) ** 2 + (y / 0.7) ** 2 < 1
        image[lung] -= 90
    image[(x - 0.15) ** 2 + (y - 0.3) ** 2 < 0.12] += 60
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


rng = np.random.default_rng(0)
others = {
    "new scans": test.data,
    "drawn X-rays": np.array([draw_xray(rng) for _ in range(50)]),
    "inverted scans": 255 - test.data,
    "noise": rng.integers(0, 256, (50, 28, 28), dtype=np.uint8),
}

# %%
# The gate rejects images that are further away than 95 % of the validation images. The
# network itself is often confident about such images.

fig, axes = plt.subplots(1, len(others), figsize=(8, 2.6), layout="constrained")
for ax, (name, images) in zip(axes, others.items(), strict=True):
    rejected = (gate.predict(images) == -1).mean()
    confidence = net.predict_proba(images).max(axis=1).mean()
    ax.imshow(images[0], cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    ax.set_title(
        f"{name}\nrejected: {rejected:.0%}\nmean confidence: {confidence:.2f}", fontsize=9
    )
