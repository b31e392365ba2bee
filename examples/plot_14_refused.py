"""
Images that are no OCT scans
============================

A network gives every image a class, often with a high probability. The gate compares the
features of an image with those of the training images, and refuses images that are further
away than 95 % of the validation images. The first row of pictures shows new scans, the
second one three of them as negatives and a drawing of a chest X-ray:
"""

import numpy as np

import octsk

train = octsk.make_oct_phantoms(400, random_state=0)
val = octsk.make_oct_phantoms(200, random_state=1)
test = octsk.make_oct_phantoms(4, random_state=2)

net = octsk.SmallOCTNet(epochs=15, augmentation=None, random_state=0)
net.fit(train.data, train.target)
gate = octsk.NoveltyGate(net).fit(train.data, val.data)

# Two dark lungs beside a bright spine, on a grey body.
rows, columns = np.mgrid[-1:1:28j, -1:1:28j]
lungs = ((abs(columns) - 0.45) / 0.3) ** 2 + (rows / 0.75) ** 2 < 1
chest = np.where(lungs, 50, 150 + 70 * (abs(columns) < 0.12)).astype(np.uint8)

images = np.concatenate([test.data, 255 - test.data[:3], chest[np.newaxis]])
accepted = gate.predict(images) == 1
probability = net.predict_proba(images).max(axis=1)
titles = [
    f"{'scan' if ok else 'refused'} ({p:.2f})"
    for ok, p in zip(accepted, probability, strict=True)
]
octsk.ImageGridDisplay(images, titles).plot()

# %%
# The numbers are the probabilities of the predicted classes, which do not tell scans from
# other images. The share of further scans that the gate accepts is near 95 %, but not
# exactly 95 %, because the threshold comes from only 200 images:

scans = octsk.make_oct_phantoms(400, random_state=3).data
print(f"{np.mean(gate.predict(scans) == 1):.0%} accepted")
