"""
Plot the most confident errors
==============================

Errors with high confidence often reveal wrong labels, bad scans or gaps in the training
data.
"""

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
test = octsk.make_oct_phantoms(400, random_state=1)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target)
octsk.MistakesDisplay.from_estimator(
    net, test.data, test.target, class_names=["CNV", "DME", "drusen", "normal"], n_images=9
)
