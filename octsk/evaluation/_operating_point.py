"""Sensitivity and specificity at a threshold that was chosen on other images."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from octsk.evaluation._figures import Resampling
from octsk.evaluation._threshold import (
    PointRequest,
    Scored,
    renumbered,
    resampled_thresholds,
    set_threshold,
)
from octsk.utils.formatting import format_interval, format_score
from octsk.utils.json import jsonable
from octsk.utils.tables import Table

TITLES = {
    "auc": "AUC of positive against negative",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
}
_OF_EACH = ("y_true", "y_score")


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
    at_goal : dict or None
        If the threshold was chosen for a specificity or a sensitivity: the name of the
        other ``rate``, the ``goal`` in words, and the ``interval`` of this rate at exactly
        the goal. Unlike `intervals`, it covers the variation of the threshold between sets
        of validation images.
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
    at_goal: dict[str, Any] | None = None

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
        at_goal = values.get("at_goal")
        if at_goal is not None:
            ends = (math.nan if end is None else float(end) for end in at_goal["interval"])
            at_goal = {**at_goal, "interval": tuple(ends)}
        if len(values["y_true"]) != len(values["y_score"]):
            raise ValueError("its operating point has scores of other images")
        return cls(
            **{
                **values,
                "figures": figures,
                "intervals": intervals,
                "at_goal": at_goal,
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
        if self.at_goal is not None:
            cells = [
                cell
                for point in points
                if point.at_goal is not None
                for cell in (
                    format_score(point.figures[point.at_goal["rate"]]),
                    format_interval(point.at_goal["interval"]),
                )
            ]
            rows.append((f"{self.at_goal['rate']} at {self.at_goal['goal']}", *cells))
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
    threshold, origin = set_threshold(request, validation, unit)
    y_true, score, groups = test
    called = score >= threshold
    figures, intervals = {}, {}
    for name, of in [("sensitivity", y_true), ("specificity", ~y_true)]:
        right = (called == y_true)[of].astype(float)
        figures[name] = float(right.mean()) if len(right) else math.nan
        of_groups = None if groups is None else renumbered(groups[of])
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
        at_goal=_at_goal(request, test, validation, figures, intervals, resampling)
        if request.needs_validation
        else None,
    )


def _at_goal(
    request, test, validation, figures, intervals, resampling: Resampling
) -> dict[str, Any]:
    """Return what `OperatingPoint.at_goal` holds.

    The interval at the threshold is widened by the spread of the rate over thresholds that
    are chosen anew on resamples of the validation images, as for a sum of two independent
    estimates (G. Y. Zou, A. Donner, Construction of confidence limits about effect
    measures: a general approach, Statistics in Medicine 27(10):1693-1702, 2008).
    """
    name, goal = request.goal
    rate = "specificity" if name == "sensitivity" else "sensitivity"
    value, (low, high) = figures[rate], intervals[rate]
    thresholds = resampled_thresholds(request, validation, resampling)
    of_class = np.sort(test.y_score[test.y_true == (rate == "sensitivity")])
    interval = (math.nan, math.nan)
    if len(of_class) and thresholds is not None:
        below = np.searchsorted(of_class, thresholds) / len(of_class)
        tail = (1 - resampling.confidence_level) / 2
        ends = np.quantile(below if name == "sensitivity" else 1 - below, [tail, 1 - tail])
        interval = (
            max(0.0, value - math.hypot(value - low, max(0.0, value - ends[0]))),
            min(1.0, value + math.hypot(high - value, max(0.0, ends[1] - value))),
        )
    return {"rate": rate, "goal": f"a {name} of {goal:g}", "interval": interval}


def _remarks(request, figures, remarks) -> list[str]:
    found = list(remarks or ())
    if request.needs_validation:
        name, goal = request.goal
        found.append(
            "The intervals are for a fixed threshold, except for that at a "
            f"{name} of {goal:g}, which also covers the variation of the threshold between "
            "sets of validation images."
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
