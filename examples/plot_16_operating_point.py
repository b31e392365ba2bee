"""
Refer patients at a chosen specificity
======================================

A screening programme refers people whose scan shows a disease. In this example, the network
may refer at most one in ten healthy people. The threshold is chosen on validation images,
and sensitivity and specificity are measured on test images.

All scans are phantoms, which are synthetic.
"""

from sklearn.utils import Bunch

import octsk

names = ["CNV", "DME", "drusen", "normal"]
dataset = Bunch(name="oct-phantoms", synthetic=True, target_names=names)
for split, n, seed in [("train", 1500, 0), ("val", 400, 1), ("test", 400, 2)]:
    dataset[split] = octsk.make_oct_phantoms(n, random_state=seed)
    dataset[split].target_names = names

net = octsk.SmallOCTNet(epochs=8, augmentation=None, random_state=0)
net.fit(dataset.train.data, dataset.train.target)

# %%
# All classes except "normal" count as positive. In this programme, one person in five has a
# disease.

report = octsk.evaluate(
    net,
    dataset.test.data,
    dataset.test.target,
    dataset=dataset,
    positive=[0, 1, 2],
    specificity=0.9,
    prevalence=0.2,
)
octsk.OperatingPointDisplay.from_report(report)

# %%
# The report contains the results with their confidence intervals.

point = report.operating_point
print(f"threshold {point.threshold:.2f}")
for name, value in point.figures.items():
    low, high = point.intervals.get(name, (None, None))
    print(f"{name:<12} {value:.3f}" + (f"  ({low:.3f} to {high:.3f})" if low else ""))
