"""Accuracy and AUC as MedMNIST defines them, calibration error, bootstrap intervals.

Balanced accuracy, per-class recall, the confusion matrix and the log-loss are
scikit-learn's own (`sklearn.metrics`); only what scikit-learn has not, or defines
otherwise, stands here.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "bootstrap_interval",
    "expected_calibration_error",
    "medmnist_accuracy",
    "medmnist_auc",
]

# Resamples are drawn in blocks of at most this many counts (32 MB of float64).
_BLOCK = 4_000_000


def medmnist_accuracy(
    y_true: ArrayLike, y_score: ArrayLike, *, labels: ArrayLike | None = None
) -> float:
    """Accuracy as the MedMNIST evaluator computes it.

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
    codes, score = _check(y_true, y_score, labels)
    return float(np.mean(_predict(score) == codes))


def medmnist_auc(
    y_true: ArrayLike, y_score: ArrayLike, *, labels: ArrayLike | None = None
) -> float:
    """Area under the ROC curve as the MedMNIST evaluator computes it.

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
    codes, score = _check(y_true, y_score, labels)
    n_classes = _n_classes(score)
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
    return float(_resampled_auc(codes, score)(np.ones((1, len(codes))))[0])


def expected_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    n_bins: int = 15,
    *,
    labels: ArrayLike | None = None,
) -> float:
    """Mean gap between a classifier's confidence and its accuracy.

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
    codes, prob = _check(y_true, y_prob, labels)
    if prob.shape[1] == 1:
        prob = np.hstack([1 - prob, prob])
    # A softmax in float32 sums to 1 within about 1e-6; logits and percents do not.
    if prob.min() < 0 or np.abs(prob.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            "y_prob must hold probabilities (none negative, rows summing to 1); got values "
            f"from {prob.min():.4g} to {prob.max():.4g}. Pass the result of predict_proba."
        )
    predicted = _predict(prob)
    confidence = prob[np.arange(len(prob)), predicted]
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence, side="left")
    gap = np.bincount(bins, weights=confidence - (predicted == codes))
    return float(np.abs(gap).sum() / len(codes))


def bootstrap_interval(
    metric: str | Callable,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state=None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric over the samples of a test set.

    Without `groups`, samples are drawn with replacement within each class, so that
    every resample has the class sizes of `y_true` and none misses a class. With
    `groups`, whole groups (patients) are drawn with replacement, since images of one
    patient are not independent; a resample that misses a class is drawn again.

    The interval is that of one fitted classifier over test sets like this one. It
    holds nothing of the spread between training runs: repeat the training over
    several seeds for that.

    Parameters
    ----------
    metric : {'acc', 'auc', 'balanced_accuracy', 'log_loss'} or callable
        `medmnist_accuracy`, `medmnist_auc`, mean recall over the classes, mean
        negative log-probability of the true class (all computed for many resamples
        at once), or any ``metric(y_true, y_score) -> float``, called once a resample.
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores; a single column is the score of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class that each column of `y_score` stands for. None: the column indices.
        Not used with a callable.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample.
    n_resamples : int, default=2000
        Number of resamples.
    confidence_level : float, default=0.95
        Probability mass inside the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same interval at each call.

    Returns
    -------
    low, high : float
        The interval's ends; nan when the metric is not defined.

    Raises
    ------
    ValueError
        As `medmnist_accuracy`, or for an unknown metric, an `n_resamples` below 1, a
        `confidence_level` outside (0, 1), or fewer than two groups.

    Notes
    -----
    The percentile interval was chosen over the bias-corrected and accelerated one
    (BCa): at MedMNIST's test sizes accuracy and AUC are nearly unbiased and
    symmetric, so the two agree to the third decimal; percentiles stay within a
    metric's range, need no jackknife and mean the same with groups. Where every
    resample gives the same value (all predictions right), the interval has no width
    and says nothing. It does not suit `expected_calibration_error`, whose value in a
    resample is greater on average than in the sample.

    References
    ----------
    B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.repeat([0, 1], 50)
    >>> y_score = np.linspace(0, 1, 100) ** 2
    >>> low, high = bootstrap_interval("acc", y_true, y_score, random_state=0)
    >>> print(f"{low:.2f} {medmnist_accuracy(y_true, y_score):.2f} {high:.2f}")
    0.72 0.79 0.86
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")
    if callable(metric) and metric not in _RESAMPLED:
        y_true, y_score = np.asarray(y_true), np.asarray(y_score)
        codes = np.unique(y_true, return_inverse=True)[1].ravel()
        of_counts = _resampled_by_calls(metric, y_true, y_score)
    elif metric in _RESAMPLED:
        codes, score = _check(y_true, y_score, labels)
        of_counts = _RESAMPLED[metric](codes, score)
    else:
        names = [name for name in _RESAMPLED if isinstance(name, str)]
        raise ValueError(f"metric must be one of {names} or a callable, got {metric!r}.")
    if groups is not None:
        groups = _check_groups(groups, len(codes))
    random_state = check_random_state(random_state)
    blocks = _draw_counts(codes, groups, n_resamples, random_state)
    values = np.concatenate([of_counts(counts) for counts in blocks])
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


# --------------------------------------------------------------------------------------
# Checking
# --------------------------------------------------------------------------------------


def _classes_of(estimator) -> np.ndarray:
    check_is_fitted(estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None or not hasattr(estimator, "predict_proba"):
        raise TypeError(
            "estimator must be a classifier with predict_proba and classes_, got "
            f"{type(estimator).__name__}."
        )
    if len(classes) < 2:
        raise ValueError(f"estimator must know two classes or more, got {list(classes)}.")
    return np.asarray(classes)


def _check(y_true, y_score, labels) -> tuple[np.ndarray, np.ndarray]:
    """Column index of each true class, and the scores as (n_samples, 1 or n_classes)."""
    score = np.asarray(y_score)
    if score.ndim == 1:
        score = score[:, None]
    if score.ndim != 2 or 0 in score.shape or score.dtype.kind not in "biuf":
        raise ValueError(
            "y_score must hold numbers, have shape (n_samples, n_classes) or (n_samples,) "
            f"and not be empty, got shape {np.shape(y_score)}, dtype {score.dtype}."
        )
    if not np.isfinite(score).all():
        raise ValueError("y_score must be finite, got NaN or infinity.")
    y_true = np.asarray(y_true)
    if y_true.shape not in [(len(score),), (len(score), 1)]:
        raise ValueError(
            f"y_true must have shape ({len(score)},), one class for each row of y_score, "
            f"got {y_true.shape}."
        )
    return _encode(y_true.ravel(), _n_classes(score), labels), score.astype(np.float64)


def _encode(y_true, n_classes, labels) -> np.ndarray:
    """Column index of each class of `y_true`."""
    if labels is None:
        known = y_true.dtype.kind in "biuf" and np.isin(y_true, np.arange(n_classes))
        if not np.all(known):
            raise ValueError(
                f"y_true must hold column indices 0 to {n_classes - 1} without labels, got "
                f"{_some(np.unique(y_true))}; give the classes in the order of y_score's "
                "columns as labels."
            )
        return y_true.astype(np.intp)
    labels = np.asarray(labels).tolist()
    column = {label: index for index, label in enumerate(labels)}
    if len(labels) != n_classes or len(column) != n_classes:
        raise ValueError(
            f"labels must hold {n_classes} different classes, one for each column of "
            f"y_score, got {_some(labels)}."
        )
    unknown = sorted(set(y_true.tolist()) - set(column), key=str)
    if unknown:
        raise ValueError(
            f"y_true holds {_some(unknown)}, not among labels {_some(labels)}."
        )
    return np.array([column[value] for value in y_true.tolist()], dtype=np.intp)


def _some(values, limit=8) -> str:
    """Write the first few of `values`."""
    values = np.asarray(values).tolist()
    return str(values[:limit])[:-1] + (", ...]" if len(values) > limit else "]")


def _check_groups(groups, n_samples) -> np.ndarray:
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(f"groups must have shape ({n_samples},), got {groups.shape}.")
    groups = np.unique(groups, return_inverse=True)[1]
    if groups.max() < 1:
        raise ValueError("groups must hold at least two different groups, got one.")
    return groups


def _n_classes(score) -> int:
    return max(2, score.shape[1])


def _predict(score) -> np.ndarray:
    if score.shape[1] > 2:
        return score.argmax(axis=1)
    return (score[:, -1] > 0.5).astype(np.intp)


# --------------------------------------------------------------------------------------
# Resampling. A resample is a row of counts: how often each sample was drawn. A metric
# then is a sum weighted by counts, for thousands of resamples in one matrix product.
# --------------------------------------------------------------------------------------


def _draw_counts(codes, groups, n_resamples, random_state) -> Iterator[np.ndarray]:
    """Yield counts of shape (block, n_samples), n_resamples rows in all."""
    block = max(1, _BLOCK // len(codes))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        if groups is None:
            yield _stratified_counts(codes, size, random_state)
        else:
            yield _group_counts(codes, groups, size, random_state)


def _stratified_counts(codes, size, random_state) -> np.ndarray:
    counts = np.empty((size, len(codes)))
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        counts[:, members] = _counts(len(members), size, random_state)
    return counts


def _group_counts(codes, groups, size, random_state) -> np.ndarray:
    present = np.eye(codes.max() + 1)[codes][:, np.unique(codes)]
    counts = np.zeros((size, len(codes)))
    missing = np.arange(size)
    while missing.size:
        drawn = _counts(groups.max() + 1, missing.size, random_state)
        counts[missing] = drawn[:, groups]
        missing = missing[(counts[missing] @ present == 0).any(axis=1)]
    return counts


def _counts(n, size, random_state) -> np.ndarray:
    """`size` rows, each how often each of n things comes up in n draws."""
    drawn = random_state.randint(n, size=(size, n)) + n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def _resampled_mean(values) -> Callable:
    return lambda counts: counts @ values / counts.sum(axis=1)


def _resampled_accuracy(codes, score) -> Callable:
    return _resampled_mean((_predict(score) == codes).astype(float))


def _resampled_log_loss(codes, score) -> Callable:
    if score.shape[1] == 1:
        score = np.hstack([1 - score, score])
    true = score[np.arange(len(codes)), codes]
    # scikit-learn's log_loss clips at the same value.
    return _resampled_mean(-np.log(np.clip(true, np.finfo(float).eps, 1)))


def _resampled_balanced_accuracy(codes, score) -> Callable:
    right = _predict(score) == codes
    # Once a class: a column of its members, and one of those predicted right.
    members = np.eye(_n_classes(score))[codes][:, np.unique(codes)]
    return lambda counts: np.mean(
        counts @ (members * right[:, None]) / (counts @ members), axis=1
    )


def _resampled_auc(codes, score) -> Callable:
    # Of two classes only the second counts, whose scores are the last column.
    classes = range(score.shape[1]) if score.shape[1] > 2 else [1]
    if score.shape[1] == 1:
        score = np.hstack([-score, score])
    return lambda counts: np.mean(
        [_one_vs_rest_auc(codes == c, score[:, c], counts) for c in classes], axis=0
    )


def _one_vs_rest_auc(positive, score, counts) -> np.ndarray:
    """Mann-Whitney statistic of one score column, for each row of counts."""
    order = np.argsort(score, kind="stable")
    ties = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    counts = counts[:, order]
    positive = positive[order]
    # Drawn positives and negatives at each distinct score, in rising order.
    positives = np.add.reduceat(counts * positive, ties, axis=1)
    negatives = np.add.reduceat(counts * ~positive, ties, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (positives * below).sum(axis=1) / pairs


def _resampled_by_calls(metric, y_true, y_score) -> Callable:
    def call(counts):
        repeated = [np.repeat(np.arange(len(row)), row.astype(int)) for row in counts]
        return np.array([metric(y_true[drawn], y_score[drawn]) for drawn in repeated])

    return call


_RESAMPLED: dict[str | Callable, Callable] = {
    "acc": _resampled_accuracy,
    "auc": _resampled_auc,
    "balanced_accuracy": _resampled_balanced_accuracy,
    "log_loss": _resampled_log_loss,
    medmnist_accuracy: _resampled_accuracy,
    medmnist_auc: _resampled_auc,
}


TITLES = {
    "acc": "ACC",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log-loss",
    "ece": "calibration error",
}
