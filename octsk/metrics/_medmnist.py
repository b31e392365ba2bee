"""Accuracy and AUC as MedMNIST defines them, and the expected calibration error."""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from octsk.metrics._resampled import (
    resampled_auc,
)
from octsk.metrics.scores import check_scores, count_classes, predict_indices


def medmnist_accuracy(
    y_true: ArrayLike, y_score: ArrayLike, *, labels: ArrayLike | None = None
) -> float:
    """Compute the accuracy like the MedMNIST evaluator.

    With three classes or more, a sample is right when its greatest score stands in
    the column of its class (of equal scores the first counts). With two classes, it
    is predicted as the second class when that class's score is greater than 0.5.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores; a single column is the score of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class that each column of `y_score` stands for, such as an estimator's
        ``classes_``. None: the classes are the column indices.

    Returns
    -------
    float
        Share of samples predicted right, 0 to 1.

    Raises
    ------
    ValueError
        When the shapes do not fit each other, a score is not finite, or a class of
        `y_true` has no column.

    See Also
    --------
    medmnist_auc : The benchmark's other figure.

    References
    ----------
    J. Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023
    (``medmnist.Evaluator``, which this agrees with).

    Examples
    --------
    >>> y_score = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    >>> medmnist_accuracy([0, 1, 2, 2], y_score)
    0.75
    >>> medmnist_accuracy(["drusen", "normal"], [0.2, 0.6], labels=["drusen", "normal"])
    1.0
    """
    codes, score = check_scores(y_true, y_score, labels)
    return float(np.mean(predict_indices(score) == codes))


def medmnist_auc(
    y_true: ArrayLike, y_score: ArrayLike, *, labels: ArrayLike | None = None
) -> float:
    """Compute the area under the ROC curve like the MedMNIST evaluator.

    With three classes or more, the unweighted mean over classes of the
    one-versus-rest area; with two classes, the area of the last column. Equal
    scores count one half, so constant scores give 0.5.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores, of any scale: only their order within a column counts. A single
        column is the score of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class that each column of `y_score` stands for, such as an estimator's
        ``classes_``. None: the classes are the column indices.

    Returns
    -------
    float
        Area, 0 to 1; nan, with an `UndefinedMetricWarning`, when a class has no
        sample or all of them (as `sklearn.metrics.roc_auc_score` answers).

    Raises
    ------
    ValueError
        When the shapes do not fit each other, a score is not finite, or a class of
        `y_true` has no column.

    References
    ----------
    J. Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023
    (``medmnist.Evaluator``, which this agrees with).

    Examples
    --------
    >>> medmnist_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> y_score = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    >>> round(medmnist_auc([0, 1, 2, 2], y_score), 3)
    1.0
    """
    codes, score = check_scores(y_true, y_score, labels)
    n_classes = count_classes(score)
    counts = np.bincount(codes, minlength=n_classes)
    undefined = np.flatnonzero((counts == 0) | (counts == len(codes)))
    if undefined.size:
        names = undefined if labels is None else np.asarray(labels)[undefined]
        warnings.warn(
            "The AUC is not defined: y_true must hold some samples of each class, but "
            f"not only that class; this fails for {names.tolist()}.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    return float(resampled_auc(codes, score)(np.ones((1, len(codes))))[0])


def expected_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    n_bins: int = 15,
    *,
    labels: ArrayLike | None = None,
) -> float:
    """Compute the mean gap between the confidence and the accuracy of a classifier.

    Samples are put into `n_bins` bins of equal width by the probability of their
    predicted class (a bin holds its upper edge). The gap of a bin is the absolute
    difference of its mean confidence and its accuracy; the result is their mean,
    weighted by the samples in each.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities; rows sum to 1. A single column is the probability of the
        second of two classes.
    n_bins : int, default=15
        Number of bins. The error depends on it: compare at one value only.
    labels : array-like of shape (n_classes,), default=None
        The class that each column of `y_prob` stands for. None: the column indices.

    Returns
    -------
    float
        Error, 0 (calibrated) to 1. With few samples it is biased upwards.

    Raises
    ------
    ValueError
        As `medmnist_accuracy`, and when `y_prob` does not hold probabilities.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural
    networks, ICML 2017, section 2 (top-label error; 15 bins in its tables).

    Examples
    --------
    Four predictions at 0.75 of which two are right: a gap of one quarter.

    >>> expected_calibration_error([1, 1, 0, 0], [0.75, 0.75, 0.75, 0.75])
    0.25
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    codes, prob = check_scores(y_true, y_prob, labels)
    if prob.shape[1] == 1:
        prob = np.hstack([1 - prob, prob])
    # A softmax in float32 sums to 1 within about 1e-6; logits and percents do not.
    if prob.min() < 0 or np.abs(prob.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            "y_prob must hold probabilities (none negative, rows summing to 1); got values "
            f"from {prob.min():.4g} to {prob.max():.4g}. Pass the result of predict_proba."
        )
    predicted = predict_indices(prob)
    confidence = prob[np.arange(len(prob)), predicted]
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence, side="left")
    gap = np.bincount(bins, weights=confidence - (predicted == codes))
    return float(np.abs(gap).sum() / len(codes))
