"""
Calibration and the number of epochs
====================================

A network that is trained for many epochs becomes overconfident: in a reliability diagram,
its points lie below the diagonal. The first diagram shows a network trained for few epochs:
"""

import octsk

train = octsk.make_oct_phantoms(600, random_state=0)
test = octsk.make_oct_phantoms(600, random_state=1)

net = octsk.SmallOCTNet(epochs=5, augmentation=None, random_state=0)
net.fit(train.data, train.target)
octsk.ReliabilityDisplay.from_estimator(net, test.data, test.target)

# %%
# The second one shows the same network trained for many epochs:

net.set_params(epochs=30).fit(train.data, train.target)
octsk.ReliabilityDisplay.from_estimator(net, test.data, test.target)
