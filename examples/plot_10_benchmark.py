"""
Compare networks over several seeds
===================================

A single training run says little. Each dot is the accuracy for one seed with its confidence
interval over the test images, and the black lines are the means over the seeds. For
OCTMNIST's official test images, MedMNIST's published results would be shown below; for
other images, the comparison is not valid.
"""

from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

import octsk
from octsk.benchmark import run_benchmark

train, test = (octsk.make_oct_phantoms(n, random_state=n) for n in (800, 300))
dataset = Bunch(
    name="oct-phantoms", size=28, synthetic=True, train=train, val=None, test=test
)
nets = {
    "linear": make_pipeline(
        FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255),
        SGDClassifier(loss="log_loss"),
    ),
    "Small, 2 epochs": octsk.SmallOCTNet(epochs=2, augmentation=None),
    "Small, 6 epochs": octsk.SmallOCTNet(epochs=6, augmentation=None),
}
run = run_benchmark(nets, dataset, seeds=[0, 1, 2])
octsk.BenchmarkDisplay.from_run(run)
