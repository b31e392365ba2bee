"""Aggregation of the scores and classes of images to those of groups (patients)."""

from collections.abc import Callable

import numpy as np

AGGREGATES = ("mean", "max", "noisy-or")


def check_level(level, aggregate, groups) -> None:
    """Check the level at which metrics are computed, and how scores are aggregated.

    Raises
    ------
    ValueError
        If `level` or `aggregate` is invalid, or if groups are required and missing.
    """
    if level not in ("image", "group"):
        raise ValueError(f"level must be 'image' or 'group', got {level!r}.")
    if not callable(aggregate) and aggregate not in AGGREGATES:
        raise ValueError(
            f"aggregate must be one of {', '.join(map(repr, AGGREGATES))} or a callable, "
            f"got {aggregate!r}."
        )
    if level == "group" and groups is None:
        raise ValueError(
            "level='group' requires the group (patient) of each image: pass groups, or a "
            "dataset that has them."
        )


def aggregate_name(aggregate) -> str:
    if not callable(aggregate):
        return aggregate
    return getattr(aggregate, "__name__", type(aggregate).__name__)


def scores_of_groups(score, groups, aggregate: str | Callable) -> np.ndarray:
    """Aggregate the scores of the images of each group.

    Parameters
    ----------
    score : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Probability of the positive class, or probabilities of all classes.
    groups : ndarray of shape (n_samples,), int
        Group of each image, from 0 to n_groups - 1.
    aggregate : {"mean", "max", "noisy-or"} or callable
        ``"noisy-or"`` is the probability that at least one image shows the class if the
        images are independent. A callable takes the scores of one group, of shape (n,
        n_classes) or (n, 1), and returns one score for each column.

    Returns
    -------
    ndarray of shape (n_groups,) or (n_groups, n_classes)
        The scores of the groups. If there is a column for each class, rows sum to 1.

    Raises
    ------
    ValueError
        If a callable returns an array of another shape, or invalid scores.
    """
    columns = score[:, None] if score.ndim == 1 else score
    functions: dict[str, Callable] = {
        "mean": lambda rows: rows.mean(axis=0),
        "max": lambda rows: rows.max(axis=0),
        "noisy-or": lambda rows: 1 - np.prod(1 - np.minimum(rows, 1), axis=0),
    }
    function = aggregate if callable(aggregate) else functions[aggregate]
    order = np.argsort(groups, kind="stable")
    parts = np.split(columns[order], np.flatnonzero(np.diff(groups[order])) + 1)
    found = [np.asarray(function(part), dtype=np.float64) for part in parts]
    if callable(aggregate):
        _check_aggregated(found, columns.shape[1])
    result = np.stack(found)
    if score.ndim == 1:
        return result[:, 0]
    totals = result.sum(axis=1, keepdims=True)
    # If all scores of a group are 0, each class is equally probable.
    return np.divide(
        result, totals, out=np.full_like(result, 1 / result.shape[1]), where=totals > 0
    )


def _check_aggregated(found, n_columns) -> None:
    for values in found:
        valid = values.shape == (n_columns,) and np.isfinite(values).all()
        if not valid or (values < 0).any():
            raise ValueError(
                f"aggregate must return {n_columns} numbers that are not negative, one for "
                f"each column of the scores of a group; it returned {values!r}."
            )


def classes_of_groups(codes, groups) -> np.ndarray:
    """Return the class of each group, or -1 if its images have several classes."""
    n_groups = groups.max() + 1
    lowest, highest = np.full(n_groups, codes.max() + 1), np.full(n_groups, -1)
    np.minimum.at(lowest, groups, codes)
    np.maximum.at(highest, groups, codes)
    return np.where(lowest == highest, lowest, -1)


def any_of_groups(positive, groups) -> np.ndarray:
    """Return whether any image of each group is positive."""
    found = np.zeros(groups.max() + 1, dtype=bool)
    np.logical_or.at(found, groups, positive)
    return found
