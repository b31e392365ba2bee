"""
Class weights and the confusion matrix
======================================

Drusen are rare in OCTMNIST. A network trained with its class frequencies rarely predicts
"drusen"; ``class_weight="balanced"`` compensates for this. Both networks are evaluated on
images with equal class frequencies. Each cell shows the percentage of its true class and
the number of images.
"""

import matplotlib.pyplot as plt

import octsk

shares = (0.34, 0.11, 0.08, 0.47)
train = octsk.make_oct_phantoms(1500, weights=shares, random_state=0)
test = octsk.make_oct_phantoms(400, random_state=1)

figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for ax, class_weight in zip(axes, (None, "balanced"), strict=True):
    net = octsk.SmallOCTNet(
        epochs=5, augmentation=None, class_weight=class_weight, random_state=0
    )
    net.fit(train.data, train.target)
    octsk.ConfusionDisplay.from_estimator(
        net, test.data, test.target, class_names=["CNV", "DME", "drusen", "normal"], ax=ax
    )
    ax.set_title(f"class_weight={class_weight!r}")
