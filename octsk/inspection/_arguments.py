"""Validation of the arguments that all explanation methods share."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from octsk.classifiers import BaseOCTNet, check_known_labels
from octsk.utils.columns import check_column


def check_arguments(estimator, X, target):
    """Check the arguments of an explanation.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted network.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label, array-like of shape (n,) or None
        Class to explain, or one class for each image. None explains the predicted class.

    Returns
    -------
    images : ndarray of shape (n, h, w, c)
        Checked images.
    columns : ndarray of shape (n,), int
        Index in ``classes_`` of the class to explain for each image.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator is not a network of octsk.
    ValueError
        If the images or the classes are invalid.
    """
    if not isinstance(estimator, BaseOCTNet):
        raise TypeError(
            f"estimator must be a network of octsk, got {type(estimator).__name__}. For a "
            "pipeline, pass its last step and the images that reach this step."
        )
    check_is_fitted(estimator)
    images = estimator._check_images(X, reset=False)
    if target is None:
        target = estimator.predict(X)
    elif np.ndim(target) == 0:
        target = np.repeat(np.asarray(target), len(images))
    return images, find_columns(estimator, target, len(images), "target")


def find_columns(estimator, labels, n, name):
    """Return the index in ``classes_`` of each of `n` labels."""
    labels = check_column(labels, name, warn=False)
    if len(labels) != n:
        raise ValueError(
            f"{name} must hold one class for each of {n} images, got {len(labels)}."
        )
    check_known_labels(labels, estimator.classes_, name)
    return np.searchsorted(estimator.classes_, labels)
