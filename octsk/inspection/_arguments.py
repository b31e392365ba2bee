"""The arguments that all explanations share, checked in one place."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from octsk.classifiers._base import BaseOCTNet


def check_arguments(estimator, X, target):
    """Check the arguments; return the images, and the column of each one's class."""
    if not isinstance(estimator, BaseOCTNet):
        raise TypeError(
            f"estimator must be a net of octsk, got {type(estimator).__name__}; of a "
            "pipeline give its last step, and the images as they come to it."
        )
    check_is_fitted(estimator)
    images = estimator._check_images(X, reset=False)
    if target is None:
        target = estimator.predict(X)
    elif np.ndim(target) == 0:
        target = np.repeat(np.asarray(target), len(images))
    return images, find_columns(estimator, target, len(images), "target")


def find_columns(estimator, labels, n, name):
    labels = column_or_1d(labels)
    if len(labels) != n:
        raise ValueError(
            f"{name} must be one class or one for each of {n} images, got {len(labels)}."
        )
    estimator._check_known_labels(labels, name)
    return np.searchsorted(estimator.classes_, labels)
