"""Standard errors of metrics from resamples, and the intervals computed from them.

See `octsk.metrics.bootstrap_interval` for a description of the method and references.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtr, stdtrit

from octsk.metrics._resampled import draw_counts

# Deviations from a metric that may come from rounding its sums over many samples.
_ROUNDING = 1e-12


class Scale(NamedTuple):
    """Range of a metric, and how its variance depends on its value.

    Attributes
    ----------
    low, high : float
        Lowest and highest possible value.
    kind : {'plain', 'rate', 'logit', 'loss'}
        The variance is constant (``'plain'``), varies like that of a rate between `low`
        and `high` (``'rate'``), is constant on the logit scale between them (``'logit'``),
        or is proportional to the distance from `low` (``'loss'``).
    """

    low: float = -math.inf
    high: float = math.inf
    kind: str = "plain"


class Estimate(NamedTuple):
    """Value of a metric on a sample with its estimated uncertainty.

    Attributes
    ----------
    value, variance : float
        The metric, and its variance between samples of this size.
    df : float
        Degrees of freedom of the variance.
    kish : float
        Inverse of Kish's effective number of the units that are drawn (images or groups).
        If all images of a group are right or all are wrong, the variance of a rate p is
        ``p * (1 - p) * kish``.
    scale : Scale
        Scale of the metric.
    """

    value: float
    variance: float
    df: float
    kish: float
    scale: Scale


def estimate(
    metric: Callable, codes, groups, n_resamples, random_state, *, by_class, scale
) -> Estimate:
    """Estimate the uncertainty of a metric by the bootstrap.

    Parameters
    ----------
    metric : callable
        Function that takes counts of shape (n_resamples, n_samples) and returns the values
        of the metric, of shape (n_resamples,).
    codes : ndarray of shape (n_samples,), int
        Class of each sample.
    groups : ndarray of shape (n_samples,), int, or None
        Group of each sample, from 0 to n_groups - 1.
    n_resamples : int
        Number of resamples, at least 2.
    random_state : RandomState
        Generator of random numbers.
    by_class : bool
        Whether the metric gives the same weight to each class, rather than to each sample.
    scale : Scale
        Scale of the metric.

    Returns
    -------
    Estimate
        The metric and its uncertainty.
    """
    value = float(metric(np.ones((1, len(codes))))[0])
    if math.isnan(value):
        return Estimate(value, math.nan, math.nan, math.nan, scale)
    blocks, products = [], np.zeros(len(codes))
    for counts in draw_counts(codes, groups, n_resamples, random_state):
        blocks.append(metric(counts) - value)
        products += blocks[-1] @ counts
    deviations = np.concatenate(blocks)
    if np.abs(deviations).max() <= _ROUNDING * max(1, abs(value)):
        # The metric is the same in all resamples.
        deviations, products = np.zeros_like(deviations), np.zeros_like(products)
    variance = float(deviations.var())
    # Covariance of the metric with each count. The mean of the counts is 1.
    influence = (products - deviations.sum()) / n_resamples
    units = np.arange(len(codes))
    if groups is not None:
        influence, units = influence[np.unique(groups, return_index=True)[1]], groups
    strata = codes if by_class or groups is None else np.zeros_like(codes)
    leverage, df, kish = _design(units, strata, by_class)
    squares = influence**2
    if variance > 0:
        if scale.kind != "rate":
            df = 1 / (1 / df + _excess(influence, variance, n_resamples) / 2)
        variance *= float((squares / (1 - leverage)).sum() / squares.sum())
    return Estimate(value, variance, df, kish, scale)


def _design(units, strata, by_class) -> tuple[np.ndarray, float, float]:
    """Return the leverage of each unit, the degrees of freedom, and `Estimate.kish`."""
    strata = np.unique(strata, return_inverse=True)[1]
    sizes = np.zeros((units.max() + 1, strata.max() + 1))
    np.add.at(sizes, (units, strata), 1)
    n_units = (sizes > 0).sum(axis=0)
    weights = np.ones(len(n_units)) if by_class else sizes.sum(axis=0)
    weights /= weights.sum()
    shares = sizes / sizes.sum(axis=0)
    # A unit that is alone in its stratum has leverage 1. The leverage is limited, because
    # the variance is divided by 1 minus the leverage.
    leverage = np.minimum((shares**2).sum(axis=1) / shares.sum(axis=1), 0.5)
    parts = weights**2 / n_units
    df = parts.sum() ** 2 / (parts**2 / np.maximum(n_units - 1, 1)).sum()
    kish = ((shares @ weights) ** 2).sum()
    return leverage, float(max(1, min(df, len(sizes) - 1))), float(kish)


def _excess(influence, variance, n_resamples) -> float:
    """Return the relative variance of the variance, which is large if few units dominate.

    It follows from the fourth powers of the influences, from which the expected
    contribution of the finite number of resamples is subtracted.
    """
    noise = (3 * len(influence) / n_resamples + 6) / n_resamples
    kurtosis = float((influence**4).sum()) / variance**2
    return max(0.0, kurtosis - noise - 1 / len(influence))


def ends(estimate: Estimate, confidence_level: float) -> tuple[float, float]:
    """Return the ends of the confidence interval, or nan if the metric is not defined."""
    value, variance, df, kish, (low, high, kind) = estimate
    if math.isnan(variance):
        return math.nan, math.nan
    t = float(-stdtrit(df, (1 - confidence_level) / 2))
    if kind == "plain":
        half = t * math.sqrt(variance)
        return max(low, value - half), min(high, value + half)
    if kind == "loss":
        above = value - low
        x = t**2 * variance / above if variance > 0 else 0.0
        half = math.sqrt(x * above + x**2 / 4)
        return value + x / 2 - half, value + x / 2 + half
    width = high - low
    p = (value - low) / width
    if kind == "logit" and 0 < p < 1:
        half = t * math.sqrt(variance) / width / (p * (1 - p))
        left, right = float(expit(logit(p) - half)), float(expit(logit(p) + half))
    else:
        # If the value is at one of its bounds, it does not vary between resamples.
        x = t**2 * (variance / width**2 / (p * (1 - p)) if 0 < p < 1 else kish)
        half = math.sqrt(x * p * (1 - p) + x**2 / 4)
        # Each end is computed as the distance from a bound, so that it can be exactly 0.
        left, right = (max(0.0, (q + x / 2 - half) / (1 + x)) for q in (p, 1 - p))
        right = 1 - right
    # Rounding must not exclude the value itself.
    return low + width * min(left, p), low + width * max(right, p)


def p_value(estimate: Estimate) -> float:
    """Return the two-sided p-value of the hypothesis that the metric is 0.

    The scale of the metric must be plain.
    """
    if abs(estimate.value) <= _ROUNDING:
        return 1.0
    with np.errstate(divide="ignore"):
        t = np.abs(estimate.value) / np.sqrt(estimate.variance)
    return float(2 * stdtr(estimate.df, -t))
