"""Choose the threshold of an operating point on validation images."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import roc_curve
from sklearn.utils import check_random_state

from octsk.evaluation._figures import Resampling
from octsk.metrics import draw_counts
from octsk.utils.untrusted import printable


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

    @property
    def goal(self) -> tuple[str, float]:
        """Rate that the threshold is chosen for, and the value that it reaches."""
        if self.specificity is None:
            return "sensitivity", float(self.sensitivity or 0)
        return "specificity", float(self.specificity)

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


class Scored(NamedTuple):
    """Which images (or groups) are positive, their scores, and their groups."""

    y_true: np.ndarray
    y_score: np.ndarray
    groups: np.ndarray | None


def set_threshold(request, validation, unit) -> tuple[float, str]:
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
    goal, value = request.goal
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


def resampled_thresholds(request, validation, resampling: Resampling):
    """Return the thresholds that resamples of the validation images would have set.

    Returns
    -------
    ndarray of shape (n_resamples,) or None
        None where there are fewer than two groups.
    """
    order = np.argsort(-validation.y_score, kind="stable")
    y_true, score = validation.y_true[order], validation.y_score[order]
    groups = validation.groups
    if groups is not None:
        groups = renumbered(groups)[order]
        if groups.max() < 1:
            return None
    # Images of equal scores are called positive together.
    last = np.searchsorted(-score, -score, side="right") - 1
    name, goal = request.goal
    of_class = y_true == (name == "sensitivity")
    thresholds = []
    random_state = check_random_state(resampling.random_state)
    for counts in draw_counts(
        y_true.astype(int), groups, resampling.n_resamples, random_state
    ):
        counted = counts * of_class
        rates = np.cumsum(counted, axis=1)[:, last] / counted.sum(axis=1, keepdims=True)
        if name == "sensitivity":
            reached = (rates >= goal - 1e-12) & (counts > 0)
            thresholds.append(score[reached.argmax(axis=1)])
        else:
            reached = (rates <= 1 - goal + 1e-12) & (counts > 0)
            place = len(score) - 1 - reached[:, ::-1].argmax(axis=1)
            highest = score[np.argmax(counts > 0, axis=1)]
            above = np.nextafter(highest, np.inf)
            thresholds.append(np.where(reached.any(axis=1), score[place], above))
    return np.concatenate(thresholds)


def renumbered(groups) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1]
