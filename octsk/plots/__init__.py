"""Plots of images, predictions and results, in the manner of scikit-learn's displays.

Each class has class methods such as ``from_estimator`` that compute what to show and
draw it. ``plot(ax=None)`` draws it again, and what was drawn on is kept in ``figure_``
and ``ax_``. Matplotlib is loaded when something is drawn; without it, every method that
draws raises an ImportError.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octsk.plots._augmentation import AugmentationDisplay
    from octsk.plots._benchmark import BenchmarkDisplay
    from octsk.plots._confusion import ConfusionDisplay
    from octsk.plots._corruption import CorruptionDisplay
    from octsk.plots._curves import PrecisionRecallCurvesDisplay, RocCurvesDisplay
    from octsk.plots._history import HistoryDisplay
    from octsk.plots._image_grid import ImageGridDisplay, MistakesDisplay
    from octsk.plots._prediction import PredictionDisplay
    from octsk.plots._reliability import ReliabilityDisplay

_HOME = {
    "AugmentationDisplay": "octsk.plots._augmentation",
    "ImageGridDisplay": "octsk.plots._image_grid",
    "MistakesDisplay": "octsk.plots._image_grid",
    "PredictionDisplay": "octsk.plots._prediction",
    "BenchmarkDisplay": "octsk.plots._benchmark",
    "CorruptionDisplay": "octsk.plots._corruption",
    "HistoryDisplay": "octsk.plots._history",
    "ConfusionDisplay": "octsk.plots._confusion",
    "PrecisionRecallCurvesDisplay": "octsk.plots._curves",
    "ReliabilityDisplay": "octsk.plots._reliability",
    "RocCurvesDisplay": "octsk.plots._curves",
}

__all__ = [
    "AugmentationDisplay",
    "BenchmarkDisplay",
    "ConfusionDisplay",
    "CorruptionDisplay",
    "HistoryDisplay",
    "ImageGridDisplay",
    "MistakesDisplay",
    "PrecisionRecallCurvesDisplay",
    "PredictionDisplay",
    "ReliabilityDisplay",
    "RocCurvesDisplay",
]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'octsk.plots' has no attribute {name!r}")


def __dir__():
    return list(__all__)
