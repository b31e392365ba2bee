"""Accuracy, AUC and calibration error, and bootstrap intervals of metrics.

This package only contains metrics that scikit-learn lacks or defines differently. Balanced
accuracy, recall, the confusion matrix and the log-loss are in `sklearn.metrics`.
"""

from octsk.metrics._bootstrap import (
    PairedDifference,
    bootstrap_interval,
    interval_caveat,
    paired_bootstrap,
)
from octsk.metrics._medmnist import (
    expected_calibration_error,
    medmnist_accuracy,
    medmnist_auc,
)
from octsk.metrics._resampled import draw_counts as draw_counts

__all__ = [
    "PairedDifference",
    "bootstrap_interval",
    "expected_calibration_error",
    "interval_caveat",
    "medmnist_accuracy",
    "medmnist_auc",
    "paired_bootstrap",
]

# Titles of the metrics in tables and plots.
TITLES = {
    "acc": "ACC",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log-loss",
    "ece": "calibration error",
}
