"""Accuracy, AUC and calibration error, and bootstrap intervals of any of them.

Balanced accuracy, recall, the confusion matrix and the log-loss are scikit-learn's own
(`sklearn.metrics`). Only what scikit-learn lacks, or defines differently, is here.
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

__all__ = [
    "PairedDifference",
    "bootstrap_interval",
    "expected_calibration_error",
    "interval_caveat",
    "medmnist_accuracy",
    "medmnist_auc",
    "paired_bootstrap",
]

# The titles of metrics in tables and figures.
TITLES = {
    "acc": "ACC",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log-loss",
    "ece": "calibration error",
}
