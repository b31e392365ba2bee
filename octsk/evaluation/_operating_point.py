"""Sensitivity and specificity at a threshold that was chosen on other images."""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from octsk.evaluation._figures import Resampling
from octsk.utils.formatting import format_interval, format_score
from octsk.utils.json import jsonable
from octsk.utils.tables import Table
from octsk.utils.untrusted import printable

TITLES = {
    "auc": "AUC of positive against negative",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
}
_OF_EACH = ("y_true", "y_score")


class PointRequest(NamedTuple):
    """The arguments of `evaluate` that define an operating point."""

    positive: Any
    specificity: float | None = None
    sensitivity: float | None = None
    threshold: float | None = None
    prevalence: float | None = None

    @property
    def needs_validation(self) -> bool:
        return self.specificity is not None or self.sensitivity is not None

    def check(self) -> None:
        """Raise a ValueError if the arguments are invalid or contradict each other."""
        goals = self._asdict()
        del goals["positive"], goals["prevalence"]
        given = [name for name, value in goals.items() if value is not None]
        if self.positive is None:
            given += [] if self.prevalence is None else ["prevalence"]
            if given:
                raise ValueError(f"{given[0]} requires positive, the positive classes.")
            return
        if len(given) > 1:
            raise ValueError(
                f"only one of {', '.join(goals)} can be given, got {' and '.join(given)}."
            )
        for name, value in self._asdict().items():
            if name == "positive" or value is None:
                continue
            if not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
                raise ValueError(
                    f"{name} must be a number between 0 and 1, not including them, got "
                    f"{value!r}."
                )

    def columns(self, names, classes) -> list[int]:
        """Return the indices of the positive classes, given by name or label."""
        is_one = isinstance(self.positive, str) or not np.iterable(self.positive)
        wanted = [self.positive] if is_one else [*self.positive]
        labels = [printable(label) for label in classes.tolist()]
        columns = []
        for one in wanted:
            if printable(one) in names:
                columns.append(names.index(printable(one)))
            elif printable(one) in labels:
                columns.append(labels.index(printable(one)))
            else:
                raise ValueError(f"positive must hold classes among {names}, got {one!r}.")
        if not 0 < len(set(columns)) < len(names):
            raise ValueError(
                f"positive must hold one or more, but not all, of the classes {names}, got "
                f"{wanted!r}."
            )
        return sorted(set(columns))


@dataclass(frozen=True)
class OperatingPoint:
    """Sensitivity, specificity and predictive values at one threshold.

    Attributes
    ----------
    positive, negative : list of str
        Names of the positive and of the negative classes.
    threshold : float
        An image is called positive if the summed probability of the positive classes is at
        least this.
    threshold_from : str
        A description of how the threshold was chosen.
    figures : dict of float
        ``auc``, ``sensitivity``, ``specificity``, ``ppv`` and ``npv`` (positive and
        negative predictive value). A value that is not defined is nan.
    intervals : dict of (float, float)
        Confidence intervals of `figures`.
    prevalence : float
        Proportion of positives for which the predictive values are computed.
    prevalence_given : bool
        Whether the prevalence was given. Otherwise, it is that of the evaluated images.
    y_true : ndarray of shape (n,), bool
        Whether each image (or group) is positive.
    y_score : ndarray of shape (n,), float
        Summed probability of the positive classes for each image (or group).
    remarks : list of str
        Remarks for readers of the results.
    """

    positive: list[str]
    negative: list[str]
    threshold: float
    threshold_from: str
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    prevalence: float
    prevalence_given: bool
    y_true: np.ndarray
    y_score: np.ndarray
    remarks: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Number of true and false positives and negatives."""
        called = self.y_score >= self.threshold
        return {
            "true positive": int((called & self.y_true).sum()),
            "false negative": int((~called & self.y_true).sum()),
            "true negative": int((~called & ~self.y_true).sum()),
            "false positive": int((called & ~self.y_true).sum()),
        }

    def to_dict(self, *, scores: bool = True) -> dict[str, Any]:
        """Return the attributes and the counts as plain Python values for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if not scores:
            for name in _OF_EACH:
                del values[name]
        return jsonable({**values, "counts": self.counts})

    @classmethod
    def from_dict(cls, values) -> "OperatingPoint":
        """Restore an operating point from the dict that `to_dict` returned."""
        values = {name: value for name, value in values.items() if name != "counts"}
        figures = {k: math.nan if v is None else v for k, v in values["figures"].items()}
        intervals = {
            name: tuple(math.nan if end is None else float(end) for end in ends)
            for name, ends in values["intervals"].items()
        }
        if len(values["y_true"]) != len(values["y_score"]):
            raise ValueError("its operating point has scores of other images")
        return cls(
            **{
                **values,
                "figures": figures,
                "intervals": intervals,
                "y_true": np.array(values["y_true"], dtype=bool),
                "y_score": np.array(values["y_score"], dtype=float),
            }
        )

    def table(self, confidence_level: float, by_group: "OperatingPoint | None") -> Table:
        """Return a table of the figures, including those by group if given."""
        points = [self] if by_group is None else [self, by_group]
        titles = [""] if by_group is None else [", by image", ", by patient"]
        level = f"{confidence_level:.0%} interval"
        header = ["figure"]
        for title in titles:
            header += [f"value{title}", level]
        rows = [
            (
                title,
                *(
                    cell
                    for point in points
                    for cell in (
                        format_score(point.figures[name]),
                        format_interval(point.intervals[name]),
                    )
                ),
            )
            for name, title in TITLES.items()
        ]
        notes = [self._note()]
        for title, point in zip(titles, points, strict=True):
            notes += [
                f"{title.removeprefix(', ').capitalize() or 'Threshold'}: {words}"
                for words in point._words()
            ]
        notes += dict.fromkeys(words for point in points for words in point.remarks)
        return Table("Operating point", header, rows, notes)

    def _note(self) -> str:
        return (
            f"Positive: {', '.join(self.positive)}; negative: {', '.join(self.negative)}. "
            "The probabilities of the positive classes are summed."
        )

    def _words(self) -> list[str]:
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items())
        origin = "as stated" if self.prevalence_given else "that of these images"
        return [
            f"positive if the probability is at least {self.threshold:.4g}, "
            f"{self.threshold_from}; {counts}. "
            f"Predictive values are for a prevalence of {self.prevalence:.3g} "
            f"({origin})."
        ]


class Scored(NamedTuple):
    """Which images (or groups) are positive, their scores, and their groups."""

    y_true: np.ndarray
    y_score: np.ndarray
    groups: np.ndarray | None


def operating_point(
    request: PointRequest,
    names: list[str],
    columns: list[int],
    test: Scored,
    validation: Scored | None,
    resampling: Resampling,
    *,
    unit: str = "images",
    remarks: list[str] | None = None,
) -> OperatingPoint:
    """Choose the threshold, and measure the rates at this threshold.

    Parameters
    ----------
    request : PointRequest
        The requested operating point.
    names : list of str
        Names of the evaluated classes.
    columns : list of int
        Indices of the positive classes.
    test, validation : Scored
        The images or groups on which the rates are measured, and those on which the
        threshold is chosen.
    resampling : Resampling
        How intervals are computed.
    unit : str
        What `test` and `validation` contain: ``"images"`` or ``"patients"``.
    remarks : list of str
        Remarks about the data.

    Returns
    -------
    OperatingPoint
        The rates with their intervals.
    """
    threshold, origin = _threshold(request, validation, unit)
    y_true, score, groups = test
    called = score >= threshold
    figures, intervals = {}, {}
    for name, of in [("sensitivity", y_true), ("specificity", ~y_true)]:
        right = (called == y_true)[of].astype(float)
        figures[name] = float(right.mean()) if len(right) else math.nan
        of_groups = None if groups is None else _renumbered(groups[of])
        # The rate is the accuracy on images of one class, with scores of 1 if they are
        # right and 0 if they are wrong.
        intervals[name] = (
            resampling.interval("acc", np.ones(len(right), int), right, of_groups)
            if len(right)
            else (math.nan, math.nan)
        )
    figures["auc"], intervals["auc"] = math.nan, (math.nan, math.nan)
    if 0 < y_true.sum() < len(y_true):
        figures["auc"] = float(roc_auc_score(y_true, score))
        intervals["auc"] = resampling.interval("auc", y_true.astype(int), score, groups)
    prevalence = float(y_true.mean()) if request.prevalence is None else request.prevalence
    for name, share, rate, error in [
        ("ppv", prevalence, "sensitivity", "specificity"),
        ("npv", 1 - prevalence, "specificity", "sensitivity"),
    ]:
        figures[name], intervals[name] = predictive_value(
            share,
            (figures[rate], intervals[rate]),
            (figures[error], intervals[error]),
        )
    return OperatingPoint(
        positive=[names[k] for k in columns],
        negative=[name for k, name in enumerate(names) if k not in columns],
        threshold=threshold,
        threshold_from=origin,
        figures={name: figures[name] for name in TITLES},
        intervals={name: intervals[name] for name in TITLES},
        prevalence=prevalence,
        prevalence_given=request.prevalence is not None,
        y_true=y_true,
        y_score=score,
        remarks=_remarks(request, figures, remarks),
    )


def _renumbered(groups) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1]


def _remarks(request, figures, remarks) -> list[str]:
    found = list(remarks or ())
    if request.needs_validation:
        found.append(
            "The intervals are for a fixed threshold. They do not cover the variation of "
            "the threshold between sets of validation images."
        )
    elif request.threshold is not None:
        found.append(
            "THRESHOLD GIVEN: if it was chosen on these images, the results are too "
            "optimistic."
        )
    if math.isnan(figures["sensitivity"]) or math.isnan(figures["specificity"]):
        which = "positive" if math.isnan(figures["sensitivity"]) else "negative"
        found.append(f"None of the evaluated images is {which}.")
    return found


def _threshold(request, validation, unit) -> tuple[float, str]:
    """Return the threshold, and a description of how it was chosen."""
    if not request.needs_validation:
        if request.threshold is not None:
            return float(request.threshold), "as given"
        return 0.5, "by default (no goal was given)"
    y_true, score, _ = validation
    if not 0 < y_true.sum() < len(y_true):
        which = "positive" if y_true.sum() == 0 else "negative"
        raise ValueError(
            f"the threshold cannot be chosen: none of the {len(y_true)} validation {unit} "
            f"is {which}."
        )
    threshold = choose_threshold(
        y_true, score, specificity=request.specificity, sensitivity=request.sensitivity
    )
    called = score >= threshold
    goal, value = (
        ("sensitivity", request.sensitivity)
        if request.specificity is None
        else ("specificity", request.specificity)
    )
    return threshold, (
        f"chosen on {len(score):,} validation {unit} for a {goal} of at least {value:g} "
        f"(there: sensitivity {called[y_true].mean():.3f}, specificity "
        f"{(~called)[~y_true].mean():.3f})"
    )


def choose_threshold(y_true, score, *, specificity=None, sensitivity=None) -> float:
    """Return the threshold that reaches one rate and makes the other rate highest.

    Parameters
    ----------
    y_true : ndarray of shape (n,), bool
        Whether each image is positive. There must be positive and negative images.
    score : ndarray of shape (n,), float
        Scores of the images. Those of at least the threshold are called positive.
    specificity, sensitivity : float or None
        The rate to reach. Exactly one of the two is given.

    Returns
    -------
    float
        The threshold.
    """
    fpr, tpr, thresholds = roc_curve(y_true, score, drop_intermediate=False)
    # The tolerance allows for the rounding of rates, which are quotients of counts.
    if sensitivity is None:
        place = np.flatnonzero(fpr <= 1 - specificity + 1e-12)[-1]
    else:
        place = np.flatnonzero(tpr >= sensitivity - 1e-12)[0]
    # The first threshold of the curve is infinite, at which no image is called positive.
    return float(min(thresholds[place], np.nextafter(score.max(), np.inf)))


def predictive_value(share, rate, other) -> tuple[float, tuple[float, float]]:
    """Return a predictive value and its interval from sensitivity and specificity.

    Parameters
    ----------
    share : float
        The prevalence for the positive predictive value, 1 minus the prevalence for the
        negative predictive value.
    rate : (float, (float, float))
        Sensitivity with its interval for the positive predictive value, specificity for
        the negative predictive value.
    other : (float, (float, float))
        The other one of the two rates, with its interval.

    Returns
    -------
    value : float
        The predictive value, or nan if it is not defined.
    interval : (float, float)
        Its confidence interval.

    Notes
    -----
    By Bayes' theorem, the value is ``1 / (1 + odds * ratio)``, where `odds` is
    ``(1 - share) / share`` and `ratio` is ``(1 - other) / rate``. The interval of this
    ratio of two independent estimates is computed from the intervals of the two rates by
    the MOVER-R method [1]_, so that it does not collapse if a rate is 0 or 1.

    References
    ----------
    .. [1] R. G. Newcombe, MOVER-R confidence intervals for ratios and products of two
       independently estimated quantities, Statistical Methods in Medical Research
       25(5):1774-1778, 2016.
    """
    b, (l2, u2) = rate
    a, (u1, l1) = 1 - other[0], (1 - other[1][0], 1 - other[1][1])
    odds = (1 - share) / share if share > 0 else math.inf
    if share <= 0 or math.isnan(a) or math.isnan(b) or a == b == 0:
        return math.nan, (math.nan, math.nan)
    value = share * b / (share * b + (1 - share) * a)
    if any(map(math.isnan, (l1, u1, l2, u2))):
        return value, (math.nan, math.nan)

    def root(x, y):
        return math.sqrt(max(0.0, (a * b) ** 2 - x * y * (2 * a - x) * (2 * b - y)))

    low = l1 * (2 * a - l1) / (a * b + root(l1, u2)) if l1 > 0 else 0.0
    high = (a * b + root(u1, l2)) / (l2 * (2 * b - l2)) if l2 > 0 else math.inf
    ends = 1 / (1 + odds * high), 1 / (1 + odds * low)
    return value, (min(ends[0], value), max(ends[1], value))


# --------------------------------------------------------------------------------------
# Validation images
# --------------------------------------------------------------------------------------


def check_apart(X_val, X, groups_val, groups) -> list[str]:
    """Check that the threshold is not chosen on the evaluated images.

    Returns
    -------
    list of str
        Remarks on images and groups that are in both sets.

    Raises
    ------
    ValueError
        If all evaluated images are among the validation images.
    """
    remarks = []
    ours = _digests(X)
    if ours is not None:
        theirs = set(_digests(X_val) or ())
        n_shared = sum(digest in theirs for digest in ours)
        if n_shared == len(ours):
            raise ValueError(
                "the threshold must not be chosen on the images that are evaluated: all of "
                "them are among the validation images. Pass other images as X_val and "
                "y_val."
            )
        if n_shared:
            remarks.append(
                f"THRESHOLD CHOSEN ON TEST IMAGES: {n_shared:,} of the evaluated images "
                "are among the validation images, too. The results are too optimistic."
            )
    if groups is not None and groups_val is not None:
        both = {*np.ravel(groups).tolist()} & {*np.ravel(groups_val).tolist()}
        if both:
            remarks.append(
                f"THRESHOLD CHOSEN ON TEST PATIENTS: {len(both):,} of the evaluated "
                "patients have validation images, too. The results are too optimistic."
            )
    return remarks


def _digests(X) -> list[bytes] | None:
    """Return a hash of each image, or None if `X` is not a numeric array."""
    X = np.asarray(X)
    if X.ndim < 2 or X.dtype == object:
        return None
    hashed: Callable = hashlib.blake2b
    return [hashed(np.ascontiguousarray(image), digest_size=16).digest() for image in X]
