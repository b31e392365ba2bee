"""
ROC and precision-recall curves
===============================

ROC curves do not depend on class frequencies, but precision does, so you should look at
both.
"""

import octsk

train = octsk.make_oct_phantoms(1000, random_state=0)
test = octsk.make_oct_phantoms(400, weights=(0.34, 0.11, 0.08, 0.47), random_state=1)

net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target)
report = octsk.evaluate(net, test.data, test.target, dataset=test)

octsk.RocCurvesDisplay.from_report(report)

# %%
# The dotted lines show the proportions of the classes, which are the precision of random
# guessing.

octsk.PrecisionRecallCurvesDisplay.from_report(report)
