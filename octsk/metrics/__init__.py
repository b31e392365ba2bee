"""Accuracy, AUC and calibration error, and bootstrap intervals of any of them."""

from octsk.metrics._bootstrap import (
    TITLES,
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
    "TITLES",
    "PairedDifference",
    "bootstrap_interval",
    "expected_calibration_error",
    "interval_caveat",
    "medmnist_accuracy",
    "medmnist_auc",
    "paired_bootstrap",
]
