"""
Predict image files
===================

This example predicts a folder of image files with a network that was saved and loaded.
"""

import tempfile
from pathlib import Path

from PIL import Image

import octsk

folder = Path(tempfile.mkdtemp())
train = octsk.make_oct_phantoms(1000, random_state=0)
net = octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0)
net.fit(train.data, train.target)
net.save(folder / "small.octsk", class_names=train.target_names)

# Write larger scans to one file each, like those of a user.
larger = octsk.make_oct_phantoms(4, size=224, random_state=5)
for number, scan in enumerate(larger.data):
    Image.fromarray(scan).save(folder / f"scan{number}.png")

# %%
# The file of the network also contains the class names.

net = octsk.load(folder / "small.octsk")
paths = sorted(folder.glob("*.png"))
images = octsk.load_image_files(paths, size=28)
for path, label in zip(paths, net.predict(images), strict=True):
    print(path.name, net.class_names_[label])

octsk.PredictionDisplay.from_estimator(net, images[0], larger.target[0])
