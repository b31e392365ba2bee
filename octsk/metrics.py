"""Accuracy and AUC as MedMNIST defines them, calibration error, bootstrap intervals.

Balanced accuracy, per-class recall, the confusion matrix and the log-loss are
scikit-learn's own (`sklearn.metrics`); only what scikit-learn has not, or defines
otherwise, stands here.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from octsk._intervals import Scale, ends, estimate, p_value
from octsk._resampled import (
    _n_classes,
    _predict,
    resampled_accuracy,
    resampled_auc,
    resampled_balanced_accuracy,
    resampled_by_calls,
    resampled_log_loss,
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

# With fewer patients (or images, where there are no patients), `interval_caveat` speaks.
_FEW, _FEW_OF_A_CLASS = 10, 5


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
    return float(resampled_auc(codes, score)(np.ones((1, len(codes))))[0])


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
    bounds: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Bootstrap interval of a metric over the samples of a test set.

    Without `groups`, samples are drawn with replacement within each class, so that
    every resample has the class sizes of `y_true` and none misses a class. With
    `groups`, whole groups (patients) are drawn with replacement, since images of one
    patient are not independent; a resample that misses a class is drawn again.

    The interval is that of one fitted classifier over test sets like this one. It does
    not include the spread between training runs: repeat the training over several seeds
    for that.

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
        Number of resamples, 2 or more.
    confidence_level : float, default=0.95
        Probability mass inside the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same interval at each call.
    bounds : (float, float), default=None
        Least and greatest possible value of a callable: (0, 1) for a rate, such as a
        recall; (0, inf) for a loss. None: its interval is symmetric and may contain any
        value. The named metrics have bounds of their own.

    Returns
    -------
    low, high : float
        The interval's ends; nan when the metric is not defined.

    Raises
    ------
    ValueError
        As `medmnist_accuracy`, or for an unknown metric, an `n_resamples` below 2, a
        `confidence_level` outside (0, 1), fewer than two groups, or `bounds` that are
        not in rising order, do not contain the metric, or come with a named metric.

    See Also
    --------
    interval_caveat : Say that a test set is too small for reliable intervals.
    paired_bootstrap : Compare two classifiers on the same samples.

    Notes
    -----
    The resamples give the standard error of the metric [1]_, and the interval is made
    of it. The percentiles of the resamples, which are better known, are too narrow
    where patients are few: with 10 patients, they contain the true accuracy in 80 to
    90 % of simulated studies instead of 95 %, and have no width at all when all
    predictions are right. Three steps correct this:

    - Each patient's contribution to the variance (the covariance of the metric with
      the number of times that the patient is drawn [2]_) is divided by 1 minus the
      patient's share in the images of a class, since a patient's images pull the
      estimate towards themselves.
    - Student's t takes the place of the normal distribution, with Satterthwaite's
      degrees of freedom [3]_ for the numbers of patients in the classes. Metrics other
      than rates have fewer, according to the kurtosis of the contributions, because the
      variance is uncertain when it depends on few patients.
    - The interval is computed on a scale that suits the metric, so that it stays within
      the metric's range. For the rates (accuracy, balanced accuracy, callables with
      two finite bounds), it is Wilson's interval [4]_ for as many independent images as
      would have this standard error; this does well with surveys of clusters [5]_. For
      the AUC it is symmetric on the logit scale. For a loss, the variance is taken to
      be proportional to the mean.

    When all predictions are right, or all are wrong, nothing is known about how similar
    the images of a patient are. Wilson's interval then counts every patient as one
    observation (Kish's effective number of them [6]_).

    In simulated studies of 10 to 200 patients with 1 to 10 images each, the intervals of
    95 % contain the true value in about 93 to 98 % of studies (``benchmarks/coverage.py``
    has the table). Exceptions are the log-loss of accurate classifiers with fewer than
    50 patients, which depends on rare large errors, and test sets for which
    `interval_caveat` has something to say. The interval does not suit
    `expected_calibration_error`, which is biased upwards.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall,
       1993, chapter 6.
    .. [2] B. Efron, Estimation and accuracy after model selection, Journal of the
       American Statistical Association 109(507):991-1007, 2014.
    .. [3] F. E. Satterthwaite, An approximate distribution of estimates of variance
       components, Biometrics Bulletin 2(6):110-114, 1946.
    .. [4] E. B. Wilson, Probable inference, the law of succession, and statistical
       inference, Journal of the American Statistical Association 22(158):209-212, 1927.
    .. [5] C. Franco, R. J. A. Little, T. A. Louis, E. V. Slud, Comparative study of
       confidence intervals for proportions in complex sample surveys, Journal of
       Survey Statistics and Methodology 7(3):334-364, 2019.
    .. [6] L. Kish, Survey Sampling, Wiley, 1965.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.repeat([0, 1], 50)
    >>> y_score = np.linspace(0, 1, 100) ** 2
    >>> low, high = bootstrap_interval("acc", y_true, y_score, random_state=0)
    >>> print(f"{low:.2f} {medmnist_accuracy(y_true, y_score):.2f} {high:.2f}")
    0.71 0.79 0.85

    The same images as five of each of 20 patients:

    >>> patients = np.arange(100) // 5
    >>> low, high = bootstrap_interval(
    ...     "acc", y_true, y_score, groups=patients, random_state=0
    ... )
    >>> print(f"{low:.2f} {high:.2f}")
    0.56 0.92
    """
    _check_settings(n_resamples, confidence_level)
    drawn, codes, (_, by_class, scale) = _resampled(metric, y_true, y_score, labels, bounds)
    found = estimate(
        drawn,
        codes,
        None if groups is None else _check_groups(groups, len(codes)),
        n_resamples,
        check_random_state(random_state),
        by_class=by_class,
        scale=scale,
    )
    if found.value < scale.low or found.value > scale.high:
        raise ValueError(f"bounds must contain the metric, {found.value}; got {bounds}.")
    return ends(found, confidence_level)


class PairedDifference(NamedTuple):
    """What `paired_bootstrap` found.

    Attributes
    ----------
    difference : float
        Metric of the first classifier minus that of the second.
    low, high : float
        Ends of its interval.
    p_value : float
        Two-sided p-value of the hypothesis that the true difference is 0.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    metric: str | Callable,
    y_true: ArrayLike,
    y_score_a: ArrayLike,
    y_score_b: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state=None,
) -> PairedDifference:
    """Difference of a metric between two classifiers on the same samples.

    Both classifiers are measured on each resample, so that what makes a sample or a
    patient hard for both cancels out. Samples or groups are drawn as in
    `bootstrap_interval`.

    Parameters
    ----------
    metric : {'acc', 'auc', 'balanced_accuracy', 'log_loss'} or callable
        As for `bootstrap_interval`.
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score_a, y_score_b : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores of the two classifiers for the same samples, in the same order.
    labels : array-like of shape (n_classes,), default=None
        The class that each column of the scores stands for. None: the column indices.
        Not used with a callable.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample.
    n_resamples : int, default=2000
        Number of resamples, 2 or more.
    confidence_level : float, default=0.95
        Probability mass inside the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result at each call.

    Returns
    -------
    PairedDifference
        Named tuple of ``difference`` (the metric of `y_score_a` minus that of
        `y_score_b`), the ends ``low`` and ``high`` of its interval, and the two-sided
        ``p_value``; nan where the metric is not defined.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Notes
    -----
    Standard error and degrees of freedom are those of `bootstrap_interval`; interval
    and p-value come from Student's t distribution of the difference, so that the p-value
    is below 0.05 exactly when the interval of 95 % does not contain 0. The interval is
    too narrow when the classifiers differ on the images of very few patients, and has no
    width when they differ on none.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.tile([0, 1], 60)
    >>> noise = np.random.default_rng(0).normal(size=(2, 120))
    >>> better, worse = y_true + 0.5 * noise[0], y_true + 1.5 * noise[1]
    >>> found = paired_bootstrap("auc", y_true, better, worse, random_state=0)
    >>> print(f"{found.difference:.2f} [{found.low:.2f}, {found.high:.2f}]")
    0.20 [0.10, 0.30]
    >>> found.p_value < 0.001
    True
    """
    _check_settings(n_resamples, confidence_level)
    a, codes, (_, by_class, scale) = _resampled(metric, y_true, y_score_a, labels)
    b, *_ = _resampled(metric, y_true, y_score_b, labels)
    # The lower end of all named metrics is 0.
    limit = scale.high
    found = estimate(
        lambda counts: a(counts) - b(counts),
        codes,
        None if groups is None else _check_groups(groups, len(codes)),
        n_resamples,
        check_random_state(random_state),
        by_class=by_class,
        scale=Scale(-limit, limit),
    )
    low, high = ends(found, confidence_level)
    return PairedDifference(found.value, low, high, p_value(found))


def interval_caveat(y_true: ArrayLike, groups: ArrayLike | None = None) -> str | None:
    """Say that a test set is too small for reliable intervals, if it is.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes, by the names that a reader knows.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample. None: the samples are independent.

    Returns
    -------
    str or None
        Sentences to print beside the intervals of `bootstrap_interval` when there are
        fewer than 10 patients (without `groups`, images), or fewer than 5 with images
        of a class; None otherwise.

    Raises
    ------
    ValueError
        If `groups` has another length than `y_true`, or holds one group only.

    Examples
    --------
    >>> y_true = ["DME"] * 60 + ["normal"] * 40
    >>> interval_caveat(y_true) is None
    True
    >>> caveat = interval_caveat(y_true, groups=[0] * 50 + [1] * 10 + list(range(40)))
    >>> caveat.split(". ")[0]
    'Few patients: 2 with DME'
    """
    names, codes = np.unique(np.asarray(y_true), return_inverse=True)
    what, units = "images", np.arange(len(codes))
    if groups is not None:
        what, units = "patients", _check_groups(groups, len(codes))
    n_units = units.max() + 1
    of_class = np.bincount(np.unique([codes, units], axis=1)[0])
    parts = [f"{n_units} in all"] if n_units < _FEW else []
    parts += [
        f"{n} with {name}"
        for name, n in zip(names.tolist(), of_class, strict=True)
        if n < _FEW_OF_A_CLASS
    ]
    if not parts:
        return None
    return (
        f"Few {what}: {', '.join(parts)}. Intervals from fewer than {_FEW} {what}, or "
        f"fewer than {_FEW_OF_A_CLASS} of a class, are rough."
    )


# --------------------------------------------------------------------------------------
# Checking
# --------------------------------------------------------------------------------------


def _check_settings(n_resamples, confidence_level) -> None:
    if n_resamples < 2:
        raise ValueError(f"n_resamples must be at least 2, got {n_resamples}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")


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


# --------------------------------------------------------------------------------------
# Metrics of many resamples at once
# --------------------------------------------------------------------------------------


class _Metric(NamedTuple):
    """How a metric is resampled, and what its interval needs to know of it."""

    resampled: Callable
    by_class: bool
    scale: Scale


def _resampled(
    metric, y_true, y_score, labels, bounds=None
) -> tuple[Callable, np.ndarray, _Metric]:
    """Return the metric as a function of counts, the class of each sample, its kind."""
    names = [name for name in _METRICS if isinstance(name, str)]
    if not callable(metric) and metric not in names:
        raise ValueError(f"metric must be one of {names} or a callable, got {metric!r}.")
    if metric in _METRICS:
        if bounds is not None:
            raise ValueError("bounds are for a callable: a named metric has its own.")
        codes, score = _check(y_true, y_score, labels)
        known = _METRICS[metric]
        return known.resampled(codes, score), codes, known
    y_true, y_score = np.asarray(y_true), np.asarray(y_score)
    codes = np.unique(y_true, return_inverse=True)[1].ravel()
    by_calls = _Metric(resampled_by_calls, True, _scale(bounds))
    return resampled_by_calls(metric, y_true, y_score), codes, by_calls


def _scale(bounds) -> Scale:
    """Return the scale of a callable."""
    if bounds is None:
        return Scale()
    if np.shape(bounds) != (2,) or not -np.inf < bounds[0] < bounds[1]:
        raise ValueError(
            "bounds must be two numbers in rising order, of which the second may be "
            f"infinite, got {bounds}."
        )
    low, high = bounds
    return Scale(low, high, "rate" if high < np.inf else "loss")


_RATE = Scale(0, 1, "rate")
_METRICS: dict[str | Callable, _Metric] = {
    "acc": _Metric(resampled_accuracy, False, _RATE),
    "auc": _Metric(resampled_auc, True, Scale(0, 1, "logit")),
    "balanced_accuracy": _Metric(resampled_balanced_accuracy, True, _RATE),
    "log_loss": _Metric(resampled_log_loss, False, Scale(0, np.inf, "loss")),
}
_METRICS |= {medmnist_accuracy: _METRICS["acc"], medmnist_auc: _METRICS["auc"]}
