"""Compare classifiers that were evaluated on the same images."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t
from scipy.stats import ttest_ind

from octsk.evaluation._paired_tests import delong_test, holm, mcnemar_test
from octsk.evaluation._report import REPORT_FORMAT, BenchmarkReport
from octsk.evaluation.wording import format_split, leak_notes, synthetic_banner
from octsk.metrics import TITLES, interval_caveat, paired_bootstrap
from octsk.metrics.scores import predict_indices
from octsk.utils.columns import check_groups
from octsk.utils.formatting import decimals, interval_words, p_words, signed
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, Tabular

# What metrics are called by scikit-learn's scorers, where octsk abbreviates them.
_ALIASES = {"accuracy": "acc"}
_METRICS = ("acc", "auc", "balanced_accuracy", "log_loss")
_INDEPENDENT = (
    "This test takes all images as independent. Where patients have several images, its "
    "p-values are too small: rely on the paired bootstrap over patients."
)


@dataclass(eq=False, repr=False)
class Comparison(Tabular):
    """Differences between one classifier and others on the same images.

    Made by `compare`. Printing it gives tables, and a notebook shows them.

    Attributes
    ----------
    metric : str
        What was compared.
    names : list of str
        The classifiers; the first is compared with each of the others.
    rows : list of dict
        One for each other classifier: ``first`` and ``other`` (names), ``value_first``
        and ``value_other`` (means over the trainings), ``difference`` (first minus
        other), ``low`` and ``high`` (its interval), ``p_value``, ``p_holm`` (corrected
        for the number of rows), ``n_trainings_first``, ``n_trainings_other``, and, with
        two trainings or more of both, ``training_error`` (standard error of the
        difference over the trainings), ``training_low``, ``training_high`` and
        ``training_p`` (Welch's t test); else None.
    tests : list of dict
        Of accuracy, the exact McNemar test of each other classifier; of the AUC, DeLong's
        test of each other classifier and class, one versus rest. Each has ``method``,
        ``first``, ``other``, ``p_value`` and ``p_holm``; McNemar's ``only_first`` and
        ``only_other`` (images that one alone predicted right), DeLong's ``class``,
        ``value_first``, ``value_other``, ``difference``, ``low`` and ``high``. Empty for
        other metrics, and where a classifier has several trainings.
    confidence_level : float
        That of the intervals.
    n_resamples : int
        Resamples of the paired bootstrap.
    resampled : {'groups', 'images'}
        Whether whole patients or single images were resampled.
    n_samples : int
        Number of images.
    n_groups : int or None
        Number of patients; None if they are not known.
    data : dict
        Description of the images, as in `BenchmarkReport`.
    notes : list of str
        What these figures do not say.
    """

    metric: str
    names: list[str]
    rows: list[dict[str, Any]]
    tests: list[dict[str, Any]]
    confidence_level: float
    n_resamples: int
    resampled: str
    n_samples: int
    n_groups: int | None
    data: dict[str, Any]
    notes: list[str]

    def __repr__(self):
        row = self.rows[0]
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        words = f"{_pair(row)}: {signed(row['difference'])}, p = {p_words(row['p_value'])}"
        return f"<Comparison of {self._title()}, {words}{more}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain Python values for JSON; nan as None."""
        return jsonable({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def to_json(self, path: str | os.PathLike) -> None:
        """Write the comparison to a JSON file; an existing one is replaced."""
        write_json(path, {"octsk_comparison": REPORT_FORMAT, **self.to_dict()})

    def _title(self) -> str:
        return TITLES.get(self.metric, self.metric)

    def _records(self) -> list[dict[str, Any]]:
        rows = [{"method": "paired bootstrap", **row} for row in self.rows]
        keys = dict.fromkeys(key for row in [*rows, *self.tests] for key in row)
        about = {"metric": self.metric, "confidence_level": self.confidence_level}
        return [
            {**about, **{key: row.get(key) for key in keys}} for row in [*rows, *self.tests]
        ]

    def _tables(self) -> list[Table]:
        return [
            *synthetic_banner(self.data),
            self._differences_table(),
            *self._trainings_table(),
            *self._tests_table(),
        ]

    def _differences_table(self) -> Table:
        rows = [
            (
                _pair(row),
                decimals(row["value_first"]),
                decimals(row["value_other"]),
                signed(row["difference"]),
                interval_words((row["low"], row["high"])),
                *_p_cells(row, self.rows),
            )
            for row in self.rows
        ]
        header = (
            "comparison",
            "first",
            "other",
            "difference",
            f"{self.confidence_level:.0%} interval",
            *_p_header(self.rows),
        )
        title = f"Difference in {self._title()} on {format_split(self.data)}"
        return Table(title, header, rows, self.notes)

    def _trainings_table(self) -> list[Table]:
        rows = [
            (
                _pair(row),
                f"{row['n_trainings_first']}, {row['n_trainings_other']}",
                f"{signed(row['difference'])} ± {decimals(row['training_error'])}",
                interval_words((row["training_low"], row["training_high"])),
                p_words(row["training_p"]),
            )
            for row in self.rows
            if row["training_error"] is not None
        ]
        if not rows:
            return []
        level = f"{self.confidence_level:.0%} interval"
        header = ("comparison", "trainings", "mean difference ± error", level, "p")
        note = (
            "± is the standard error of the mean difference over trainings with different "
            "seeds on these very images; interval and p are Welch's. The spread between "
            "test sets is not in them."
        )
        title = f"Difference in {self._title()} between trainings"
        return [Table(title, header, rows, [note])]

    def _tests_table(self) -> list[Table]:
        if not self.tests:
            return []
        of_auc = self.metric == "auc"
        rows = [
            (
                _pair(test),
                *(_delong_cells(test) if of_auc else _mcnemar_cells(test)),
                *_p_cells(test, self.tests),
            )
            for test in self.tests
        ]
        columns: tuple[str, ...]
        if of_auc:
            level = f"{self.confidence_level:.0%} interval"
            columns = ("class", "first", "other", "difference", level)
            title = "DeLong's test of the AUC of each class, one versus rest"
        else:
            columns = ("only first right", "only other right")
            title = "Exact McNemar test of the accuracy"
        notes = [f"{_INDEPENDENT}{self._images_words()}"]
        return [Table(title, ("comparison", *columns, *_p_header(self.tests)), rows, notes)]

    def _images_words(self) -> str:
        if self.n_groups in (None, self.n_samples):
            return ""
        return f" Here, {self.n_samples} images are of {self.n_groups} patients."


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
        Report of the first classifier, which is compared with each of the others; a list
        holds one report for each training (seed).
    other, *more : BenchmarkReport or list of BenchmarkReport
        Reports of the other classifiers, on the same images in the same order. Their
        classes are matched by name.
    metric : {'accuracy', 'auc', 'balanced_accuracy', 'log_loss'} or callable, \
default='accuracy'
        What to compare, as for `octsk.metrics.paired_bootstrap`. A callable is given the
        classes as numbers, in the order of the first report's ``class_names``.
    names : sequence of str, default=None
        Names of the classifiers. None: those of the reports, numbered where two are
        the same.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image. None: those of the reports, if they have any.
    confidence_level : float, default=0.95
        That of the intervals, between 0 and 1.
    n_resamples : int, default=2000
        Resamples of the paired bootstrap.
    random_state : int, RandomState instance or None, default=0
        What to draw the resamples with.

    Returns
    -------
    Comparison
        Differences (first minus other) with intervals and p-values.

    Raises
    ------
    TypeError
        If something else than reports is given.
    ValueError
        If the reports are not of the same images in the same order, their classes
        differ, `metric` is unknown, or `names` does not hold one name for each
        classifier.

    See Also
    --------
    evaluate : Make a report.
    octsk.metrics.paired_bootstrap : The same for scores that are in no report.

    Notes
    -----
    The main result is a paired bootstrap over patients: both classifiers are measured on
    the same resamples of patients (of images, where patients are not known), so that
    what is hard for both cancels out. With several others, Holm's method corrects the
    p-values for their number.

    The exact McNemar test of the accuracy and DeLong's test of the AUC of each class
    are given beside it because readers ask for them. Both take all images as independent.
    There is no DeLong test of the mean AUC over several classes.

    With several trainings of both classifiers, the paired bootstrap compares the means
    over the trainings, and Welch's t test compares the trainings as a sample of all seeds.
    The former says whether the difference holds for other patients, the latter whether
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
    unchecked = _check_same_images(nets, names)
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
# The figures
# --------------------------------------------------------------------------------------


def _value(metric, report, first) -> float:
    if callable(metric):
        return float(metric(first.y_true, _aligned(report, first)))
    return report.metrics[metric]


def _over_trainings(first, other, confidence_level) -> dict[str, float | None]:
    """Return the error of the mean difference between trainings, by Welch."""
    keys = ("training_error", "training_low", "training_high", "training_p")
    if min(len(first), len(other)) < 2:
        return dict.fromkeys(keys)
    difference = float(np.mean(first) - np.mean(other))
    parts = [np.var(values, ddof=1) / len(values) for values in (first, other)]
    error = float(np.sqrt(sum(parts)))
    if error == 0:  # trainings that do not depend on the seed
        return dict(
            zip(keys, (0.0, difference, difference, float(difference == 0)), strict=True)
        )
    test = ttest_ind(first, other, equal_var=False)
    half = float(student_t.ppf((1 + confidence_level) / 2, test.df)) * error
    ends = (difference - half, difference + half)
    return dict(zip(keys, (error, *ends, float(test.pvalue)), strict=True))


def _tests(metric, first, names, scores, confidence_level) -> list[dict[str, Any]]:
    """Return the tests that take images as independent."""
    y_true, (a, *others) = first.y_true, [score[0] for score in scores]
    tests = []
    for name, b in zip(names[1:], others, strict=True):
        pair = {"first": names[0], "other": name}
        if metric == "acc":
            right = [predict_indices(score) == y_true for score in (a, b)]
            found = mcnemar_test(*right)._asdict()
            tests.append({"method": "exact McNemar", **pair, **found})
        elif metric == "auc":
            # Of two classes, both columns have the same area.
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
            "One training of each net: another seed could change the difference, by an "
            "amount that is not in the interval."
        )
    else:
        notes.append(
            "Values are means over the trainings of a net. The interval is that of other "
            "test sets, without the spread between trainings."
        )
    caveat = interval_caveat(np.array(first.class_names)[first.y_true], groups)
    return [*notes, *([caveat] if caveat else []), *leak_notes(first)]


# --------------------------------------------------------------------------------------
# Cells
# --------------------------------------------------------------------------------------


def _pair(row) -> str:
    return f"{row['first']} minus {row['other']}"


def _p_header(rows) -> tuple[str, ...]:
    return ("p", "p (Holm)") if len(rows) > 1 else ("p",)


def _p_cells(row, rows) -> tuple[str, ...]:
    cells = (p_words(row["p_value"]), p_words(row["p_holm"]))
    return cells if len(rows) > 1 else cells[:1]


def _mcnemar_cells(test) -> tuple[str, ...]:
    return str(test["only_first"]), str(test["only_other"])


def _delong_cells(test) -> tuple[str, ...]:
    return (
        test["class"],
        decimals(test["value_first"]),
        decimals(test["value_other"]),
        signed(test["difference"]),
        interval_words((test["low"], test["high"])),
    )


# --------------------------------------------------------------------------------------
# Whether reports are of the same images
# --------------------------------------------------------------------------------------


def _as_list(reports) -> list[BenchmarkReport]:
    listed = [reports] if isinstance(reports, BenchmarkReport) else reports
    if not isinstance(listed, list | tuple) or not all(
        isinstance(one, BenchmarkReport) for one in listed
    ):
        raise TypeError(
            "compare takes reports of octsk.evaluate, or lists of them with one report for "
            f"each training, got {reports!r}. BenchmarkReport.from_json reads one."
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
    """Return the scores in the order of the first report's classes."""
    if report.class_names == first.class_names:
        return report.y_score
    return report.y_score[:, [report.class_names.index(name) for name in first.class_names]]


def _groups(nets, groups) -> np.ndarray | None:
    """Return the patients that the caller gives, or those of a report that has them."""
    known = [groups, *(_of_report(one, "groups") for reports in nets for one in reports)]
    found = next((one for one in known if one is not None), None)
    return None if found is None else check_groups(found, nets[0][0].n_samples)


def _check_same_images(nets, names) -> list[str]:
    """Raise an error if reports are of other images; return notes of what is not known."""
    (name, first), *others = (
        (name if len(reports) == 1 else f"{name}, training {i}", one)
        for name, reports in zip(names, nets, strict=True)
        for i, one in enumerate(reports, 1)
    )
    for other_name, other in others:
        found = _difference(first, other, name, other_name)
        if found:
            raise ValueError(
                "The reports must be of the same images in the same order, and have the "
                f"same classes: {found}."
            )
    if all(_known_to_be_same(first, other) for _, other in others):
        return []
    return [
        "Neither file names nor hashes show whether the images were the same: only their "
        "number, classes and patients were compared."
    ]


def _known_to_be_same(a, b) -> bool:
    """Return whether file names or hashes show that two reports are of the same images."""
    if _of_report(a, "filenames") and _of_report(b, "filenames"):
        return True  # compared before
    of_file = a.data["sha256"] and a.data["sha256"] == b.data["sha256"]
    same_split = of_file and a.data["split"] == b.data["split"]
    return bool(same_split) or a.data["arrays_sha256"] == b.data["arrays_sha256"]


def _difference(a, b, name_a, name_b) -> str | None:
    """Describe the first difference between the images of two reports."""
    if sorted(a.class_names) != sorted(b.class_names):
        only_a = sorted({*a.class_names} - {*b.class_names})
        only_b = sorted({*b.class_names} - {*a.class_names})
        return f"only {name_a!r} has the classes {only_a}, and only {name_b!r} {only_b}"
    if a.n_samples != b.n_samples:
        return f"{name_a!r} is of {a.n_samples} images, and {name_b!r} of {b.n_samples}"
    columns = {
        "labels": (np.array(a.class_names)[a.y_true], np.array(b.class_names)[b.y_true]),
        "file names": (_file_names(a), _file_names(b)),
        "patients": (_patients(a), _patients(b)),
    }
    for what, (of_a, of_b) in columns.items():
        if of_a is None or of_b is None:
            continue
        differ = np.flatnonzero(of_a != of_b)
        if differ.size:
            i = differ[0]
            return (
                f"{differ.size} of {a.n_samples} {what} differ, the first at position {i}: "
                f"{str(of_a[i])!r} in {name_a!r}, {str(of_b[i])!r} in {name_b!r}"
            )
    # The hash covers the numbers of the classes too, and pixels of one size.
    comparable = a.class_names == b.class_names and a.data["size"] == b.data["size"]
    if comparable and not _known_to_be_same(a, b):
        return f"the pixels of {name_a!r} and {name_b!r} have different hashes"
    return None


def _of_report(report, name):
    return getattr(report, name, None)


def _file_names(report) -> np.ndarray | None:
    """Return the file names without folders, which differ between machines."""
    files = _of_report(report, "filenames")
    return None if files is None else np.array([PurePath(file).name for file in files])


def _patients(report) -> np.ndarray | None:
    """Return the patients, numbered by the order in which they first appear."""
    groups = _of_report(report, "groups")
    if groups is None:
        return None
    codes = check_groups(groups, report.n_samples)
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]
