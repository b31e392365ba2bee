"""Bootstrap intervals of metrics, and of the difference between two classifiers."""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from octsk.metrics._intervals import Scale, ends, estimate, p_value
from octsk.metrics._medmnist import medmnist_accuracy, medmnist_auc
from octsk.metrics._resampled import (
    resampled_accuracy,
    resampled_auc,
    resampled_balanced_accuracy,
    resampled_by_calls,
    resampled_log_loss,
)
from octsk.metrics.scores import check_scores
from octsk.utils.columns import check_groups

# `interval_caveat` returns a caveat if there are fewer patients (or images, if no patients
# are given) than the first number, or fewer of any class than the second.
_FEW, _FEW_OF_A_CLASS = 10, 5


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
    """Compute a confidence interval of a metric by resampling a test set.

    If `groups` is None, samples are drawn with replacement within each class, so that
    every resample has the class sizes of `y_true`. If `groups` is given, whole groups
    (patients) are drawn with replacement, because images of the same patient are not
    independent. A resample without any image of a class is drawn again.

    The interval describes how the metric of one fitted classifier varies between test
    sets. It does not cover the variation between training runs. To estimate that
    variation, repeat the training with several seeds.

    Parameters
    ----------
    metric : {'acc', 'auc', 'balanced_accuracy', 'log_loss'} or callable
        The metric: `medmnist_accuracy`, `medmnist_auc`, mean recall over the classes, mean
        negative log-probability of the true class, or a callable
        ``metric(y_true, y_score) -> float``. The named metrics are computed for many
        resamples at once, whereas a callable is called once for each resample.
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores. A single column contains the scores of the second of two classes.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_score`. If None, the classes are the column indices.
        It is not used if `metric` is a callable.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample. No value may be missing.
    n_resamples : int, default=2000
        Number of resamples, at least 2.
    confidence_level : float, default=0.95
        Confidence level of the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Controls the random resamples. Pass an int for reproducible intervals.
    bounds : (float, float), default=None
        Lowest and highest possible value of a callable: (0, 1) for a rate, such as a
        recall, or (0, inf) for a loss. If None, the interval is symmetric and may contain
        any value. The bounds of the named metrics are known.

    Returns
    -------
    low, high : float
        Ends of the interval, or nan if the metric is not defined.

    Raises
    ------
    ValueError
        If `y_true`, `y_score` or `labels` are invalid, as in `medmnist_accuracy`; if
        `metric` is unknown; if `n_resamples` is below 2 or `confidence_level` outside
        (0, 1); if a group is missing or there are fewer than two groups; or if `bounds` are
        not in ascending order, do not contain the metric, or are given for a named metric.

    See Also
    --------
    interval_caveat : Check whether a test set is large enough for reliable intervals.
    paired_bootstrap : Compare two classifiers on the same samples.

    Notes
    -----
    The interval is computed from the standard error of the metric over the resamples
    [1]_. The better-known percentile interval is too narrow if there are few patients:
    with 10 patients, it contains the true accuracy in 80 to 90 % of simulated studies
    instead of 95 %, and its width is 0 if all predictions are right. Three steps correct
    this:

    - The contribution of each patient to the variance is the covariance of the metric with
      the number of times that the patient is drawn [2]_. It is divided by 1 minus the
      patient's share of the images of a class, because the estimate is closer to the
      images from which it is computed than to new ones.
    - Student's t distribution replaces the normal distribution, with Satterthwaite's
      degrees of freedom [3]_ for the numbers of patients in the classes. For metrics other
      than rates, the degrees of freedom are reduced according to the kurtosis of the
      contributions, because the variance is uncertain if it depends on few patients.
    - The interval is computed on a scale that suits the metric, so that it stays within
      the range of the metric. For rates (accuracy, balanced accuracy, callables with two
      finite bounds), it is Wilson's interval [4]_ for the number of independent images
      that would have this standard error, which has good coverage in cluster samples [5]_.
      For the AUC, the interval is symmetric on the logit scale. For a loss, the variance is
      assumed to be proportional to the mean.

    If all predictions are right, or all are wrong, the similarity of the images of a
    patient cannot be estimated. Wilson's interval then counts each patient as one
    observation (Kish's effective sample size [6]_).

    In simulated studies of 10 to 200 patients with 1 to 10 images each, 95 % intervals
    contain the true value in about 93 to 98 % of studies (``benchmarks/coverage.py``
    computes the table). Exceptions are the log-loss of accurate classifiers with fewer
    than 50 patients, which depends on rare large errors, and test sets for which
    `interval_caveat` returns a caveat. The interval is not suitable for
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

    The same images, if they are from 20 patients with five images each:

    >>> patients = np.arange(100) // 5
    >>> low, high = bootstrap_interval(
    ...     "acc", y_true, y_score, groups=patients, random_state=0
    ... )
    >>> print(f"{low:.2f} {high:.2f}")
    0.56 0.92

    The recall of one class at a threshold of 0.3, as a callable for the images of this
    class:

    >>> of_class = y_true == 1
    >>> low, high = bootstrap_interval(
    ...     lambda y_true, y_score: np.mean(y_score > 0.3),
    ...     y_true[of_class],
    ...     y_score[of_class],
    ...     groups=patients[of_class],
    ...     bounds=(0, 1),
    ...     random_state=0,
    ... )
    >>> print(f"{low:.2f} {np.mean(y_score[of_class] > 0.3):.2f} {high:.2f}")
    0.52 0.90 0.99
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
    """Result of `paired_bootstrap`.

    Attributes
    ----------
    difference : float
        Metric of the first classifier minus that of the second.
    low, high : float
        Ends of the interval of the difference.
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
    """Compare a metric of two classifiers on the same samples.

    Both classifiers are measured on each resample, so that the difficulty of a sample or
    patient affects both and largely cancels out. Samples or groups are drawn as in
    `bootstrap_interval`.

    Parameters
    ----------
    metric : {'acc', 'auc', 'balanced_accuracy', 'log_loss'} or callable
        As for `bootstrap_interval`.
    y_true : array-like of shape (n_samples,) or (n_samples, 1)
        True classes: column indices 0 to n_classes - 1, or any labels with `labels`.
    y_score_a, y_score_b : array-like of shape (n_samples, n_classes) or (n_samples,)
        Scores of the two classifiers for the same samples, in the same order. For several
        trainings of a classifier, the shape is (n_trainings, n_samples, n_classes), and
        the mean of their metrics is compared.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of the scores. If None, the classes are the column indices.
        It is not used if `metric` is a callable.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample. No value may be missing.
    n_resamples : int, default=2000
        Number of resamples, at least 2.
    confidence_level : float, default=0.95
        Confidence level of the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Controls the random resamples. Pass an int for reproducible results.

    Returns
    -------
    PairedDifference
        Named tuple of ``difference`` (the metric of `y_score_a` minus that of
        `y_score_b`), the ends ``low`` and ``high`` of its interval, and the two-sided
        ``p_value``. A value is nan if the metric is not defined.

    Raises
    ------
    ValueError
        If an argument is invalid, as in `bootstrap_interval`.

    Notes
    -----
    The standard error and the degrees of freedom are computed as in `bootstrap_interval`.
    Interval and p-value are based on Student's t distribution of the difference, so that
    the p-value is below 0.05 if and only if the 95 % interval does not contain 0. The
    interval is too narrow if the classifiers differ on the images of very few patients,
    and its width is 0 if they differ on none.

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
    a, codes, (_, by_class, scale) = _mean_resampled(metric, y_true, y_score_a, labels)
    b, *_ = _mean_resampled(metric, y_true, y_score_b, labels)
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
    """Return a caveat if a test set is too small for reliable intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes, as names that readers understand.
    groups : array-like of shape (n_samples,), default=None
        Group (patient) of each sample. If None, the samples are independent.

    Returns
    -------
    str or None
        Sentences to print next to the intervals of `bootstrap_interval`. None if there are
        at least 10 patients, and at least 5 patients with images of each class. If `groups`
        is None, images are counted instead of patients.

    Raises
    ------
    ValueError
        If `groups` and `y_true` differ in length, or if there is only one group.

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
        f"fewer than {_FEW_OF_A_CLASS} of a class, are imprecise."
    )


# --------------------------------------------------------------------------------------
# Checking
# --------------------------------------------------------------------------------------


def _check_settings(n_resamples, confidence_level) -> None:
    if not isinstance(n_resamples, Integral):
        raise ValueError(f"n_resamples must be a whole number, got {n_resamples!r}.")
    if n_resamples < 2:
        raise ValueError(f"n_resamples must be at least 2, got {n_resamples}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")


def _check_groups(groups, n_samples) -> np.ndarray:
    groups = check_groups(groups, n_samples)
    if groups.max() < 1:
        raise ValueError("groups must hold at least two different groups, got one.")
    return groups


# --------------------------------------------------------------------------------------
# Metrics of many resamples at once
# --------------------------------------------------------------------------------------


class _Metric(NamedTuple):
    """Resampling and interval scale of a metric."""

    resampled: Callable
    by_class: bool
    scale: Scale


def _resampled(
    metric, y_true, y_score, labels, bounds=None
) -> tuple[Callable, np.ndarray, _Metric]:
    """Return the metric as a function of counts, the class of each sample, and `_Metric`.

    Counts state how often each sample is drawn, see `octsk.metrics._resampled`.
    """
    names = [name for name in _METRICS if isinstance(name, str)]
    if not callable(metric) and metric not in names:
        raise ValueError(f"metric must be one of {names} or a callable, got {metric!r}.")
    if metric in _METRICS:
        if bounds is not None:
            raise ValueError("bounds are for a callable: those of named metrics are known.")
        codes, score = check_scores(y_true, y_score, labels)
        known = _METRICS[metric]
        return known.resampled(codes, score), codes, known
    y_true, y_score = np.asarray(y_true), np.asarray(y_score)
    codes = np.unique(y_true, return_inverse=True)[1].ravel()
    by_calls = _Metric(resampled_by_calls, True, _scale(bounds))
    return resampled_by_calls(metric, y_true, y_score), codes, by_calls


def _mean_resampled(metric, y_true, y_score, labels):
    """Return the result of `_resampled`, for the mean metric if there are trainings."""
    if np.ndim(y_score) != 3 or len(y_score) == 0:
        return _resampled(metric, y_true, y_score, labels)
    parts = [_resampled(metric, y_true, one, labels) for one in y_score]
    means = [part[0] for part in parts]
    return lambda counts: np.mean([one(counts) for one in means], axis=0), *parts[0][1:]


def _scale(bounds) -> Scale:
    """Return the scale of a callable with these bounds."""
    if bounds is None:
        return Scale()
    if np.shape(bounds) != (2,) or not -np.inf < bounds[0] < bounds[1]:
        raise ValueError(
            "bounds must be two numbers in ascending order, of which the second may be "
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
