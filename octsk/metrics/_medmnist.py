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

    With three classes or more, the predicted class is the one with the highest score (the
    first of them if scores are equal). With two classes, the second class is predicted if
    its score is greater than 0.5.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores. A single column contains the scores of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_score`, such as the ``classes_`` of an estimator. If
        None, the classes are the column indices.

    Returns
    -------
    float
        Proportion of correctly predicted samples, between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes of `y_true` and `y_score` are inconsistent, a score is not finite, or
        a class of `y_true` has no column.

    See Also
    --------
    medmnist_auc : Compute the other metric of the benchmark.

    References
    ----------
    J. Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023. The result agrees with
    that of ``medmnist.Evaluator``.

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

    With three classes or more, it is the unweighted mean of the one-versus-rest areas of
    the classes. With two classes, it is the area for the last column. Pairs of equal scores
    count one half, so that constant scores have an area of 0.5.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores on any scale, because only their order within a column matters. A single
        column contains the scores of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_score`, such as the ``classes_`` of an estimator. If
        None, the classes are the column indices.

    Returns
    -------
    float
        The area, between 0 and 1. It is nan if a class has no samples or if all samples
        are of one class, as with `sklearn.metrics.roc_auc_score`.

    Warns
    -----
    UndefinedMetricWarning
        If the area is not defined.

    Raises
    ------
    ValueError
        If the shapes of `y_true` and `y_score` are inconsistent, a score is not finite, or
        a class of `y_true` has no column.

    See Also
    --------
    medmnist_accuracy : Compute the other metric of the benchmark.

    References
    ----------
    J. Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023. The result agrees with
    that of ``medmnist.Evaluator``.

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

    Samples are assigned to `n_bins` bins of equal width according to the probability of
    their predicted class. A bin includes its upper edge. The gap of a bin is the absolute
    difference between its mean probability and its accuracy. The result is the mean of the
    gaps, weighted by the numbers of samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities, the rows of which sum to 1. A single column contains the
        probabilities of the second of two classes.
    n_bins : int, default=15
        Number of bins. The error depends on it, so only compare errors with the same
        number of bins.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_prob`. If None, the classes are the column indices.

    Returns
    -------
    float
        The error, between 0 (calibrated) and 1. It is biased upwards if there are few
        samples.

    Raises
    ------
    ValueError
        If `y_true`, `y_prob` or `labels` are invalid, as in `medmnist_accuracy`, if
        `y_prob` does not contain probabilities, or if `n_bins` is below 1.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural
    networks, ICML 2017, section 2, whose tables use 15 bins.

    Examples
    --------
    If two of four predictions with a probability of 0.75 are right, the gap is 0.25:

    >>> expected_calibration_error([1, 1, 0, 0], [0.75, 0.75, 0.75, 0.75])
    0.25
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    codes, prob = check_scores(y_true, y_prob, labels)
    if prob.shape[1] == 1:
        prob = np.hstack([1 - prob, prob])
    # Softmax outputs in float32 sum to 1 within about 1e-6. Logits and percentages do not.
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
