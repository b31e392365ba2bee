"""Sensitivity and specificity at a threshold that other images have set."""

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
    """What is asked of an operating point: the arguments of `evaluate`."""

    positive: Any
    specificity: float | None = None
    sensitivity: float | None = None
    threshold: float | None = None
    prevalence: float | None = None

    @property
    def needs_validation(self) -> bool:
        return self.specificity is not None or self.sensitivity is not None

    def check(self) -> None:
        """Raise an error if the arguments are invalid or do not fit each other."""
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
    """Figures of positive against negative classes at one threshold.

    Attributes
    ----------
    positive, negative : list of str
        Names of the classes.
    threshold : float
        An image is called positive if the summed probability of the positive classes is at
        least this.
    threshold_from : str
        Where the threshold comes from, in words.
    figures : dict of float
        ``auc``, ``sensitivity``, ``specificity``, ``ppv`` and ``npv`` (predictive values);
        nan where not defined.
    intervals : dict of (float, float)
        Intervals of the figures.
    prevalence : float
        Share of positives for which the predictive values are stated.
    prevalence_given : bool
        Whether the prevalence was given; otherwise it is that of the evaluated images.
    y_true : ndarray of shape (n,), bool
        Whether each image (or group) is positive.
    y_score : ndarray of shape (n,), float
        Summed probability of the positive classes.
    remarks : list of str
        What a reader has to know.
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
        """Return what `to_dict` was made from."""
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
        """Return a table of the figures, with those by group beside them if known."""
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
        origin = "the stated prevalence" if self.prevalence_given else "the share here"
        return [
            f"positive from {self.threshold:.4g} on, {self.threshold_from}; {counts}. "
            f"Predictive values are for a share of positives of {self.prevalence:.3g} "
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
    """Set the threshold, and measure at it.

    Parameters
    ----------
    request : PointRequest
        What is asked.
    names : list of str
        Evaluated classes.
    columns : list of int
        The positive ones.
    test, validation : Scored
        Where figures are measured, and where the threshold is chosen.
    resampling : Resampling
        How intervals are computed.
    unit : str
        What `test` and `validation` hold.
    remarks : list of str
        What a reader has to know of the data.
    """
    threshold, origin = _threshold(request, validation, unit)
    y_true, score, groups = test
    called = score >= threshold
    figures, intervals = {}, {}
    for name, of in [("sensitivity", y_true), ("specificity", ~y_true)]:
        right = (called == y_true)[of].astype(float)
        figures[name] = float(right.mean()) if len(right) else math.nan
        of_groups = None if groups is None else _renumbered(groups[of])
        # The accuracy of images of one class, each of which is right (1) or wrong (0).
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
            "The intervals are those of a fixed threshold; how much it would vary with "
            "other validation images is not in them."
        )
    elif request.threshold is not None:
        found.append(
            "THRESHOLD GIVEN: if it was chosen on these images, the figures are too "
            "optimistic."
        )
    if math.isnan(figures["sensitivity"]) or math.isnan(figures["specificity"]):
        which = "positive" if math.isnan(figures["sensitivity"]) else "negative"
        found.append(f"None of the evaluated images is {which}.")
    return found


def _threshold(request, validation, unit) -> tuple[float, str]:
    """Return the threshold, and where it comes from in words."""
    if not request.needs_validation:
        if request.threshold is not None:
            return float(request.threshold), "as given"
        return 0.5, "more probable than not (no goal was given)"
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
    """Return the threshold that reaches a rate, with the greatest other rate.

    Parameters
    ----------
    y_true : ndarray of shape (n,), bool
        Which images are positive; both kinds must be there.
    score : ndarray of shape (n,), float
        Their scores; those of at least the threshold are called positive.
    specificity, sensitivity : float or None
        The rate that is reached or exceeded; one of them is given.
    """
    fpr, tpr, thresholds = roc_curve(y_true, score, drop_intermediate=False)
    # Rates are quotients of counts, which rounding may put beside the goal.
    if sensitivity is None:
        place = np.flatnonzero(fpr <= 1 - specificity + 1e-12)[-1]
    else:
        place = np.flatnonzero(tpr >= sensitivity - 1e-12)[0]
    # The first threshold of a curve is infinite: it calls nothing positive.
    return float(min(thresholds[place], np.nextafter(score.max(), np.inf)))


def predictive_value(share, rate, other) -> tuple[float, tuple[float, float]]:
    """Return a predictive value and its interval from sensitivity and specificity.

    Parameters
    ----------
    share : float
        Share of the images for which the value holds: the prevalence for the positive
        predictive value, 1 minus it for the negative one.
    rate : (float, (float, float))
        How often these images are recognized, with its interval: the sensitivity for the
        positive predictive value.
    other : (float, (float, float))
        How often the other images are recognized, with its interval.

    Notes
    -----
    By Bayes' theorem, the value is ``1 / (1 + odds * ratio)``, where the ratio is that of
    the other images' error rate to `rate`. Its interval is that of a ratio of two
    independent estimates (R. G. Newcombe, MOVER-R confidence intervals for ratios and
    products of two independently estimated quantities, Statistical Methods in Medical
    Research 25(5):1774-1778, 2016). It is made of the intervals of the two rates, so that
    it has a width where a rate is 0 or 1, too.
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
    """Check that the threshold is not chosen on the images that are evaluated.

    Returns
    -------
    list of str
        Remarks on images and groups that are on both sides.

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
                "are among the validation images, too. The figures are too optimistic."
            )
    if groups is not None and groups_val is not None:
        both = {*np.ravel(groups).tolist()} & {*np.ravel(groups_val).tolist()}
        if both:
            remarks.append(
                f"THRESHOLD CHOSEN ON TEST PATIENTS: {len(both):,} of the evaluated "
                "patients have validation images, too. The figures are too optimistic."
            )
    return remarks


def _digests(X) -> list[bytes] | None:
    """Return a hash of each image, or None if `X` is no numeric array."""
    X = np.asarray(X)
    if X.ndim < 2 or X.dtype == object:
        return None
    hashed: Callable = hashlib.blake2b
    return [hashed(np.ascontiguousarray(image), digest_size=16).digest() for image in X]
