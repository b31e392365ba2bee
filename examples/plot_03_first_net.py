"""
Train a network and predict an image
====================================

This example trains the report's Small network, plots its training history, and predicts one
image.
"""

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
test = octsk.make_oct_phantoms(200, random_state=1)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target, X_val=test.data, y_val=test.target)
octsk.HistoryDisplay.from_estimator(net)

# %%
# The plot shows an image with its true and predicted class, as in the report, and the
# predicted probabilities of all classes:

octsk.PredictionDisplay.from_estimator(
    net, test.data[9], test.target[9], class_names=test.target_names
)
