"""Pictures of images, predictions and results, as scikit-learn's Display classes.

Each class has class methods that compute and draw, ``plot(ax=None)`` that draws again,
and keeps what it drew on as ``figure_`` and ``ax_``. Needs matplotlib
(``octsk[plot]``), which is loaded when something is drawn.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octsk.plots._images import (
        AugmentationDisplay,
        ImageGridDisplay,
        MistakesDisplay,
        PredictionDisplay,
    )
    from octsk.plots._runs import BenchmarkDisplay, CorruptionDisplay, HistoryDisplay
    from octsk.plots._scores import (
        ConfusionDisplay,
        PrecisionRecallCurvesDisplay,
        ReliabilityDisplay,
        RocCurvesDisplay,
    )

_HOME = {
    "AugmentationDisplay": "octsk.plots._images",
    "ImageGridDisplay": "octsk.plots._images",
    "MistakesDisplay": "octsk.plots._images",
    "PredictionDisplay": "octsk.plots._images",
    "BenchmarkDisplay": "octsk.plots._runs",
    "CorruptionDisplay": "octsk.plots._runs",
    "HistoryDisplay": "octsk.plots._runs",
    "ConfusionDisplay": "octsk.plots._scores",
    "PrecisionRecallCurvesDisplay": "octsk.plots._scores",
    "ReliabilityDisplay": "octsk.plots._scores",
    "RocCurvesDisplay": "octsk.plots._scores",
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
