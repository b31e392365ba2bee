"""
From a folder of scans to a report by patient
=============================================

This example loads image files from one folder per class, keeps the patients apart, and
evaluates a network on patients that it has not seen.
"""

import tempfile
from pathlib import Path

from PIL import Image

import octsk

# Three scans of each patient, like scans/drusen/12-1.jpeg.
folder = Path(tempfile.mkdtemp(), "scans")
phantoms = octsk.make_oct_phantoms(360, size=64, random_state=0)
for i, (scan, label) in enumerate(zip(phantoms.data, phantoms.target, strict=True)):
    file = folder / phantoms.target_names[label] / f"{i // 3}-{i % 3}.jpeg"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scan).save(file)

# %%
# A regular expression finds the patient in the path of each image.

scans = octsk.load_image_folder(folder, groups=r"(?P<patient>\d+)-\d+\.jpeg$")
scans = octsk.split_by_group(scans, test=0.3, val=0, random_state=0)
print(octsk.datasets.check_splits(scans))
scans.train

# %%
# The intervals of the report are computed by patient.

net = octsk.SmallOCTNet(epochs=25, augmentation=None, random_state=0)
net.fit(scans.train.data, scans.train.target)
report = octsk.evaluate(net, scans.test.data, scans.test.target, dataset=scans)
print(report)
octsk.ConfusionDisplay.from_estimator(net, scans.test.data, scans.test.target)
