"""
May I believe its probabilities?
================================

A net that is trained for long grows too sure of itself: below the diagonal it is right less
often than it says. First, few epochs:
"""

import octsk

train = octsk.make_oct_phantoms(600, random_state=0)
test = octsk.make_oct_phantoms(600, random_state=1)

net = octsk.SmallOCTNet(epochs=5, augmentation=None, random_state=0)
net.fit(train.data, train.target)
octsk.ReliabilityDisplay.from_estimator(net, test.data, test.target)

# %%
# And many:

net.set_params(epochs=30).fit(train.data, train.target)
octsk.ReliabilityDisplay.from_estimator(net, test.data, test.target)
