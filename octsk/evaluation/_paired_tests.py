"""Tests of two classifiers on the same images, and Holm's correction of p-values."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, norm, rankdata


class McNemar(NamedTuple):
    """Result of the exact McNemar test.

    Attributes
    ----------
    only_first, only_other : int
        Number of images that only the first classifier predicted correctly, and number
        that only the other one did.
    p_value : float
        Two-sided p-value of the hypothesis that both numbers have the same expectation.
    """

    only_first: int
    only_other: int
    p_value: float


def mcnemar_test(right_first, right_other) -> McNemar:
    """Test whether two classifiers have the same accuracy by the exact McNemar test.

    Parameters
    ----------
    right_first, right_other : ndarray of shape (n_samples,), bool
        Whether each classifier predicted each image correctly.

    Returns
    -------
    McNemar
        Numbers of images on which only one classifier is right, and the p-value of the
        binomial distribution.

    References
    ----------
    Q. McNemar, Note on the sampling error of the difference between correlated
    proportions or percentages, Psychometrika 12(2):153-157, 1947.
    """
    first = int(np.sum(right_first & ~right_other))
    other = int(np.sum(right_other & ~right_first))
    n = first + other
    return McNemar(first, other, float(binomtest(first, n).pvalue) if n else 1.0)


class DeLong(NamedTuple):
    """Result of DeLong's test.

    Attributes
    ----------
    first, other : float
        The areas under the ROC curves.
    error : float
        Standard error of ``first - other``.
    p_value : float
        Two-sided p-value of the hypothesis that the areas are equal.
    """

    first: float
    other: float
    error: float
    p_value: float


def delong_test(positive, score_first, score_other) -> DeLong:
    """Test whether two scores have the same area under the ROC curve.

    Parameters
    ----------
    positive : ndarray of shape (n_samples,), bool
        Whether each image is of the positive class.
    score_first, score_other : ndarray of shape (n_samples,)
        Scores of the positive class. A pair of equal scores counts one half.

    Returns
    -------
    DeLong
        Areas, error and p-value. All are nan if there are fewer than two positive or fewer
        than two negative images.

    References
    ----------
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Comparing the areas under two or
    more correlated receiver operating characteristic curves: a nonparametric approach,
    Biometrics 44(3):837-845, 1988. Computed from ranks as in X. Sun, W. Xu, Fast
    implementation of DeLong's algorithm, IEEE Signal Processing Letters
    21(11):1389-1393, 2014.
    """
    if min(positive.sum(), (~positive).sum()) < 2:
        return DeLong(np.nan, np.nan, np.nan, np.nan)
    areas, of_positives, of_negatives = zip(
        *(_placements(score, positive) for score in (score_first, score_other)), strict=True
    )
    difference = areas[0] - areas[1]
    error = np.sqrt(
        sum(np.var(a - b, ddof=1) / len(a) for a, b in (of_positives, of_negatives))
    )
    if error == 0:
        p_value = float(difference == 0)
    else:
        p_value = float(2 * norm.sf(abs(difference) / error))
    return DeLong(areas[0], areas[1], float(error), p_value)


def _placements(score, positive) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the area, and the placements of the positive and of the negative images.

    The placement of a positive image is the proportion of negative images with a lower
    score, and that of a negative image the proportion of positive images with a higher
    score.
    """
    m, n = positive.sum(), (~positive).sum()
    ranks = rankdata(score)
    of_positives = (ranks[positive] - rankdata(score[positive])) / n
    of_negatives = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    return float(of_positives.mean()), of_positives, of_negatives


def holm(p_values) -> list[float]:
    """Correct p-values for multiple comparisons by Holm's method.

    Parameters
    ----------
    p_values : sequence of float
        The p-values of all comparisons. A nan remains nan and does not count as a
        comparison.

    Returns
    -------
    list of float
        The corrected p-values, in the same order.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6(2):65-70, 1979.
    """
    p = np.asarray(p_values, float)
    known = np.flatnonzero(~np.isnan(p))
    known = known[np.argsort(p[known], kind="stable")]
    corrected = p[known] * np.arange(len(known), 0, -1)
    p[known] = np.minimum(1, np.maximum.accumulate(corrected))
    return p.tolist()
