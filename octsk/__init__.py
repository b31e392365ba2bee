"""Small CNNs for retinal OCT scans as scikit-learn estimators.

Every public name is loaded at first use, so ``import octsk`` does not load
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

from octsk._version import __version__

if TYPE_CHECKING:
    from octsk.augmentation import OCTAugmenter
    from octsk.benchmark import evaluate
    from octsk.classifiers import (
        LargeOCTNet,
        MediumOCTNet,
        ResidualOCTNet,
        SmallOCTNet,
        load,
    )
    from octsk.corruptions import corrupt
    from octsk.datasets import (
        fetch_medmnist,
        fetch_octmnist,
        load_image_files,
        load_medmnist,
        make_oct_phantoms,
    )
    from octsk.inspection import ExplanationDisplay, grad_cam, occlusion_sensitivity
    from octsk.model_selection import OCTSearchCV, report_grid_search, search_space
    from octsk.plots import (
        AugmentationDisplay,
        BenchmarkDisplay,
        ConfusionDisplay,
        CorruptionDisplay,
        HistoryDisplay,
        ImageGridDisplay,
        MistakesDisplay,
        PrecisionRecallCurvesDisplay,
        PredictionDisplay,
        ReliabilityDisplay,
        RocCurvesDisplay,
    )

_HOME = {
    "SmallOCTNet": "octsk.classifiers",
    "MediumOCTNet": "octsk.classifiers",
    "LargeOCTNet": "octsk.classifiers",
    "ResidualOCTNet": "octsk.classifiers",
    "OCTAugmenter": "octsk.augmentation",
    "corrupt": "octsk.corruptions",
    "fetch_medmnist": "octsk.datasets",
    "fetch_octmnist": "octsk.datasets",
    "load_medmnist": "octsk.datasets",
    "load_image_files": "octsk.datasets",
    "make_oct_phantoms": "octsk.datasets",
    "evaluate": "octsk.benchmark",
    "load": "octsk.classifiers",
    "OCTSearchCV": "octsk.model_selection",
    "report_grid_search": "octsk.model_selection",
    "search_space": "octsk.model_selection",
    "ExplanationDisplay": "octsk.inspection",
    "grad_cam": "octsk.inspection",
    "occlusion_sensitivity": "octsk.inspection",
    "AugmentationDisplay": "octsk.plots",
    "BenchmarkDisplay": "octsk.plots",
    "ConfusionDisplay": "octsk.plots",
    "CorruptionDisplay": "octsk.plots",
    "HistoryDisplay": "octsk.plots",
    "ImageGridDisplay": "octsk.plots",
    "MistakesDisplay": "octsk.plots",
    "PrecisionRecallCurvesDisplay": "octsk.plots",
    "PredictionDisplay": "octsk.plots",
    "ReliabilityDisplay": "octsk.plots",
    "RocCurvesDisplay": "octsk.plots",
}
_SUBMODULES = {
    "architectures",
    "augmentation",
    "benchmark",
    "classifiers",
    "corruptions",
    "datasets",
    "inspection",
    "metrics",
    "model_selection",
    "plots",
    "reporting",
    "tuning",
}

__all__ = [
    "AugmentationDisplay",
    "BenchmarkDisplay",
    "ConfusionDisplay",
    "CorruptionDisplay",
    "ExplanationDisplay",
    "HistoryDisplay",
    "ImageGridDisplay",
    "LargeOCTNet",
    "MediumOCTNet",
    "MistakesDisplay",
    "OCTAugmenter",
    "OCTSearchCV",
    "PrecisionRecallCurvesDisplay",
    "PredictionDisplay",
    "ReliabilityDisplay",
    "ResidualOCTNet",
    "RocCurvesDisplay",
    "SmallOCTNet",
    "__version__",
    "corrupt",
    "evaluate",
    "fetch_medmnist",
    "fetch_octmnist",
    "grad_cam",
    "load",
    "load_image_files",
    "load_medmnist",
    "make_oct_phantoms",
    "occlusion_sensitivity",
    "report_grid_search",
    "search_space",
]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"octsk.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'octsk' has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *_SUBMODULES})
