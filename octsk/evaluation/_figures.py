"""Metrics with their intervals, recall and confusion matrix."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import confusion_matrix, log_loss, recall_score

from octsk.metrics import (
    bootstrap_interval,
    expected_calibration_error,
    interval_caveat,
    medmnist_accuracy,
    medmnist_auc,
)
from octsk.metrics.scores import predict_indices

# There is no suitable interval for the calibration error, see bootstrap_interval.
WITH_INTERVAL = ("acc", "auc", "balanced_accuracy", "log_loss")


class Resampling(NamedTuple):
    """How the intervals of a report are computed."""

    confidence_level: float = 0.95
    n_resamples: int = 2000
    random_state: Any = 0

    def interval(self, metric, y_true, y_score, groups, **more) -> tuple[float, float]:
        """Return the interval of a metric, or nan if there are fewer than two groups."""
        if groups is not None and len(np.unique(groups)) < 2:
            return np.nan, np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return bootstrap_interval(
                metric, y_true, y_score, groups=groups, **self._asdict(), **more
            )


def measure(codes, score, names, groups, resampling: Resampling) -> dict[str, Any]:
    """Return the attributes of a report that are computed from classes and scores."""
    columns = np.arange(len(names))
    predicted = predict_indices(score)
    recall = _recall(codes, predicted, columns)
    intervals = {
        metric: bootstrap_interval(
            metric, codes, score, groups=groups, **resampling._asdict()
        )
        for metric in WITH_INTERVAL
    }
    return {
        "metrics": metrics_of(codes, score),
        "intervals": intervals,
        "resampled": "images" if groups is None else "groups",
        "recall": dict(zip(names, recall.tolist(), strict=True)),
        "confusion_matrix": confusion_matrix(codes, predicted, labels=columns),
        "n_samples": len(codes),
        "interval_caveat": interval_caveat(np.array(names)[codes], groups),
        "y_true": codes,
        "y_score": score,
    }


def _recall(codes, predicted, columns) -> np.ndarray:
    return recall_score(
        codes, predicted, labels=columns, average=None, zero_division=np.nan
    )


def metrics_of(codes, score) -> dict[str, float]:
    """Return the metrics of a report by name."""
    columns = np.arange(score.shape[1])
    recall = _recall(codes, predict_indices(score), columns)
    with warnings.catch_warnings():
        # A note of the report says that the AUC is not defined.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        auc = medmnist_auc(codes, score)
    return {
        "acc": medmnist_accuracy(codes, score),
        "auc": auc,
        "balanced_accuracy": float(np.nanmean(recall)),
        "log_loss": float(log_loss(codes, score, labels=columns)),
        "ece": expected_calibration_error(codes, score),
    }
