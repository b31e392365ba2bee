"""Weights of the images in the loss, and the resulting class shares."""

import math
from numbers import Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight


def loss_weights(y, sample_weight, class_weight, classes):
    """Return the weights of the images, without "balanced" class weights.

    `balance` adds those when the training images are known.

    Parameters
    ----------
    y : ndarray of shape (n,), int
        Class indices.
    sample_weight : ndarray of shape (n,), float32, or None
        Weights of the images.
    class_weight : None, "balanced" or dict
        The parameter of the estimator. Weights in a dict are multiplied with
        `sample_weight`.
    classes : ndarray of shape (n_classes,)
        Class labels, which are the keys of a dict.

    Returns
    -------
    ndarray of shape (n,), float32, or None
        One weight for each image. None if there are no weights.

    Raises
    ------
    ValueError
        If a weight in the dict is not a number of 0 or more, or belongs to no class.
    """
    if not isinstance(class_weight, dict):
        return sample_weight
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < math.inf):
            raise ValueError(
                f"class_weight must hold a number of 0 or more for each class; got "
                f"{weight!r} for {label!r}."
            )
    by_class = compute_class_weight(class_weight, classes=classes, y=classes)
    weight = by_class.astype(np.float32)[y]
    return weight if sample_weight is None else weight * sample_weight


def balance(y, weight, index):
    """Return weights that balance the classes of the images in `index`.

    Each weight is the product of the existing weight and scikit-learn's "balanced" class
    weight, which is computed from the images in `index` with their existing weights.
    """
    present = np.unique(y[index])
    by_class = np.zeros(present[-1] + 1, np.float32)
    by_class[present] = compute_class_weight(
        "balanced",
        classes=present,
        y=y[index],
        sample_weight=None if weight is None else weight[index],
    )
    balanced = np.zeros(len(y), np.float32)
    balanced[index] = by_class[y[index]]
    return balanced if weight is None else balanced * weight


def without_ones(weight, index):
    """Return None if all images in `index` have weight 1, and the weights otherwise.

    TensorFlow sums a loss with weights in another order than one without. Without this
    step, giving images weight 0 would not be exactly the same as leaving them out.
    """
    return None if weight is None or (weight[index] == 1).all() else weight


def class_shares(y, weight, index, n_classes):
    """Return the weighted share of each class among the images in `index`."""
    weights = None if weight is None else weight[index]
    counts = np.bincount(y[index], weights=weights, minlength=n_classes)
    return counts / counts.sum()
