"""
A first net
===========

Train the report's Small network, see how the training went, and predict one image.
"""

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
test = octsk.make_oct_phantoms(200, random_state=1)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target, X_val=test.data, y_val=test.target)
octsk.HistoryDisplay.from_estimator(net)

# %%
# One image with its true and its predicted class, as the report shows it, and the
# probabilities of all four:

octsk.PredictionDisplay.from_estimator(
    net, test.data[9], test.target[9], class_names=test.target_names
)
