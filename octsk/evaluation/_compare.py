"""Comparison of classifiers that were evaluated on the same images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from octsk.evaluation._comparison_result import Comparison
from octsk.evaluation._paired_tests import delong_test, holm, mcnemar_test
from octsk.evaluation._report import BenchmarkReport
from octsk.evaluation._same_images import check_same_images
from octsk.evaluation.wording import leak_notes
from octsk.metrics import interval_caveat, paired_bootstrap
from octsk.metrics.scores import predict_indices
from octsk.utils.columns import check_groups

# Names of scikit-learn's scorers for metrics whose names octsk abbreviates.
_ALIASES = {"accuracy": "acc"}
_METRICS = ("acc", "auc", "balanced_accuracy", "log_loss")


def compare(
    report,
    other,
    *more,
    metric: str | Callable = "accuracy",
    names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state=0,
) -> Comparison:
    """Compare a classifier with others that were evaluated on the same images.

    Parameters
    ----------
    report : BenchmarkReport or list of BenchmarkReport
        Report of the first classifier, which is compared with each of the others. A list
        contains one report for each training (seed) of the classifier.
    other, *more : BenchmarkReport or list of BenchmarkReport
        Reports of the other classifiers, for the same images in the same order. Their
        classes are matched by name.
    metric : {'accuracy', 'auc', 'balanced_accuracy', 'log_loss'} or callable, \
default='accuracy'
        Metric to compare, as for `octsk.metrics.paired_bootstrap`. A callable receives the
        classes as indices into ``class_names`` of the first report.
    names : sequence of str, default=None
        Names of the classifiers. If None, the names in the reports are used, and equal
        names are numbered.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image. If None, the groups of the reports are used, if they have
        any.
    confidence_level : float, default=0.95
        Confidence level of the intervals, between 0 and 1.
    n_resamples : int, default=2000
        Number of resamples of the paired bootstrap.
    random_state : int, RandomState instance or None, default=0
        Controls the random resamples.

    Returns
    -------
    Comparison
        Differences (first minus other) with intervals and p-values.

    Raises
    ------
    TypeError
        If anything other than reports is given.
    ValueError
        If the reports are not about the same images in the same order, their classes
        differ, `metric` is unknown, or `names` does not contain one name for each
        classifier.

    See Also
    --------
    evaluate : Evaluate a classifier, which returns a report.
    octsk.metrics.paired_bootstrap : Compare scores without reports.

    Notes
    -----
    The main result is a paired bootstrap over patients. Both classifiers are measured on
    the same resamples of patients, so that the difficulty of a resample affects both and
    largely cancels out in the difference. If patients are not known, images are resampled.
    If there are several other classifiers, Holm's method corrects the p-values for their
    number.

    The result also contains the exact McNemar test of the accuracy and DeLong's test of
    the AUC of each class, because readers often ask for them. Both tests take all images as
    independent. There is no DeLong test of the mean AUC over several classes.

    If both classifiers were trained several times, the paired bootstrap compares the means
    over the trainings, and Welch's t-test compares the trainings as a sample of all seeds.
    The former shows whether the difference holds for other patients, the latter whether
    it holds for other seeds.

    Examples
    --------
    >>> import numpy as np
    >>> import octsk
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> y = np.tile(["DME", "normal"], 100)
    >>> X = np.random.RandomState(0).normal(size=(200, 3)) + 1.5 * (y == "DME")[:, None]
    >>> patients = np.repeat(np.arange(25), 4)
    >>> bayes, tree = (
    ...     octsk.evaluate(clf.fit(X[:100], y[:100]), X[100:], y[100:])
    ...     for clf in (GaussianNB(), DecisionTreeClassifier(max_depth=1))
    ... )
    >>> comparison = octsk.compare(bayes, tree, groups=patients)
    >>> comparison
    <Comparison of ACC, GaussianNB minus DecisionTreeClassifier: +0.060, p = 0.106>
    >>> [row] = comparison.rows
    >>> print(f"{row['low']:.2f} {row['high']:.2f}")
    -0.02 0.14
    >>> [mcnemar] = comparison.tests
    >>> mcnemar["only_first"], mcnemar["only_other"]
    (11, 5)
    """
    nets = [_as_list(one) for one in (report, other, *more)]
    metric = _ALIASES.get(metric, metric) if isinstance(metric, str) else metric
    if not callable(metric) and metric not in _METRICS:
        raise ValueError(
            f"metric must be one of {['accuracy', *_METRICS[1:]]} or a callable, got "
            f"{metric!r}."
        )
    names = _names(nets, names)
    first = nets[0][0]
    unchecked = check_same_images(nets, names)
    groups = _groups(nets, groups)
    scores = [np.stack([_aligned(one, first) for one in reports]) for reports in nets]
    settings = {
        "groups": groups,
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": random_state,
    }
    values = [[_value(metric, one, first) for one in reports] for reports in nets]
    rows = [
        {
            "first": names[0],
            "other": names[i],
            "value_first": float(np.mean(values[0])),
            "value_other": float(np.mean(values[i])),
            **paired_bootstrap(
                metric, first.y_true, scores[0], scores[i], **settings
            )._asdict(),
            "n_trainings_first": len(values[0]),
            "n_trainings_other": len(values[i]),
            **_over_trainings(values[0], values[i], confidence_level),
        }
        for i in range(1, len(nets))
    ]
    single = all(len(reports) == 1 for reports in nets)
    n_groups = None if groups is None else len(np.unique(groups))
    return Comparison(
        metric=metric if isinstance(metric, str) else _callable_name(metric),
        names=names,
        rows=_with_holm(rows),
        tests=_tests(metric, first, names, scores, confidence_level) if single else [],
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        resampled="images" if groups is None else "groups",
        n_samples=first.n_samples,
        n_groups=n_groups,
        data=first.data,
        notes=[*_notes(metric, nets, rows, n_resamples, groups), *unchecked],
    )


# --------------------------------------------------------------------------------------
# Values and tests
# --------------------------------------------------------------------------------------


def _value(metric, report, first) -> float:
    if callable(metric):
        return float(metric(first.y_true, _aligned(report, first)))
    return report.metrics[metric]


def _over_trainings(first, other, confidence_level) -> dict[str, float | None]:
    """Return the standard error, interval and p-value of Welch's t-test over trainings."""
    keys = ("training_error", "training_low", "training_high", "training_p")
    if min(len(first), len(other)) < 2:
        return dict.fromkeys(keys)
    difference = float(np.mean(first) - np.mean(other))
    variances = [np.var(values, ddof=1) / len(values) for values in (first, other)]
    error = float(np.sqrt(sum(variances)))
    if error == 0:  # trainings that do not depend on the seed
        ends, p_value = (difference, difference), float(difference == 0)
    else:
        squares = (
            v**2 / (len(x) - 1) for v, x in zip(variances, (first, other), strict=True)
        )
        df = sum(variances) ** 2 / sum(squares)
        half = float(student_t.ppf((1 + confidence_level) / 2, df)) * error
        ends = (difference - half, difference + half)
        p_value = float(2 * student_t.sf(abs(difference) / error, df))
    return dict(zip(keys, (error, *ends, p_value), strict=True))


def _tests(metric, first, names, scores, confidence_level) -> list[dict[str, Any]]:
    """Return the results of the tests that take images as independent."""
    y_true, (a, *others) = first.y_true, [score[0] for score in scores]
    tests = []
    for name, b in zip(names[1:], others, strict=True):
        pair = {"first": names[0], "other": name}
        if metric == "acc":
            right = [predict_indices(score) == y_true for score in (a, b)]
            found = mcnemar_test(*right)._asdict()
            tests.append({"method": "exact McNemar", **pair, **found})
        elif metric == "auc":
            # With two classes, the AUC of both columns is the same.
            columns = range(a.shape[1]) if a.shape[1] > 2 else [1]
            tests += [
                {
                    "method": "DeLong",
                    **pair,
                    "class": first.class_names[c],
                    **_delong(y_true == c, a[:, c], b[:, c], confidence_level),
                }
                for c in columns
            ]
    return _with_holm(tests)


def _delong(positive, a, b, confidence_level) -> dict[str, float]:
    found = delong_test(positive, a, b)
    half = float(student_t.ppf((1 + confidence_level) / 2, np.inf)) * found.error
    difference = found.first - found.other
    return {
        "value_first": found.first,
        "value_other": found.other,
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "p_value": found.p_value,
    }


def _with_holm(rows) -> list[dict[str, Any]]:
    corrected = holm([row["p_value"] for row in rows])
    return [{**row, "p_holm": p} for row, p in zip(rows, corrected, strict=True)]


def _callable_name(metric) -> str:
    return getattr(metric, "__name__", type(metric).__name__)


def _notes(metric, nets, rows, n_resamples, groups) -> list[str]:
    first = nets[0][0]
    drawn = "images within each class"
    if groups is not None:
        drawn = f"{len(np.unique(groups))} patients"
    notes = [
        f"Difference: first minus other. Paired bootstrap over {drawn}, {n_resamples} "
        "resamples, both nets measured on each; p is two-sided."
    ]
    if metric == "log_loss":
        notes.append("The smaller log-loss is the better one.")
    if groups is None:
        notes.append(
            "Patients are not known. If patients have several images, the intervals are "
            "too narrow and the p-values too small."
        )
    if len(rows) > 1:
        notes.append(f"p (Holm) is corrected for {len(rows)} comparisons.")
    counts = {len(reports) for reports in nets}
    if counts == {1}:
        notes.append(
            "One training of each net: another seed could change the difference by more "
            "than the interval shows."
        )
    else:
        notes.append(
            "Values are means over the trainings of a net. The interval covers the "
            "variation between test sets, but not that between trainings."
        )
    caveat = interval_caveat(np.array(first.class_names)[first.y_true], groups)
    return [*notes, *([caveat] if caveat else []), *leak_notes(first)]


# --------------------------------------------------------------------------------------
# Arguments
# --------------------------------------------------------------------------------------


def _as_list(reports) -> list[BenchmarkReport]:
    listed = [reports] if isinstance(reports, BenchmarkReport) else reports
    if not isinstance(listed, list | tuple) or not all(
        isinstance(one, BenchmarkReport) for one in listed
    ):
        raise TypeError(
            "compare takes reports of octsk.evaluate, or lists of them with one report for "
            f"each training, got {reports!r}. BenchmarkReport.from_json reads a report."
        )
    if not listed:
        raise ValueError("a list of reports must hold at least one report, got none.")
    return list(listed)


def _names(nets, names) -> list[str]:
    if names is not None:
        names = [str(name) for name in names]
        if len(names) != len(nets) or len(set(names)) < len(names):
            raise ValueError(
                f"names must hold {len(nets)} different names, one for each classifier, "
                f"got {names}."
            )
        return names
    names = [reports[0].name for reports in nets]
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _aligned(report, first) -> np.ndarray:
    """Return the scores with columns in the order of the classes of the first report."""
    if report.class_names == first.class_names:
        return report.y_score
    return report.y_score[:, [report.class_names.index(name) for name in first.class_names]]


def _groups(nets, groups) -> np.ndarray | None:
    """Return the given patients, or those of the first report that has any."""
    known = [groups, *(one.groups for reports in nets for one in reports)]
    found = next((one for one in known if one is not None), None)
    return None if found is None else check_groups(found, nets[0][0].n_samples)
