"""Scores and classes of groups (patients) from those of their images."""

from collections.abc import Callable

import numpy as np

AGGREGATES = ("mean", "max", "noisy-or")


def check_level(level, aggregate, groups) -> None:
    """Check the level at which figures are computed.

    Raises
    ------
    ValueError
        If `level` or `aggregate` is not one of those accepted, or groups are missing.
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
        Probabilities. Rows of several classes sum to 1 in the result, too.
    groups : ndarray of shape (n_samples,), int
        Groups, 0 to n_groups - 1.
    aggregate : {"mean", "max", "noisy-or"} or callable
        ``"noisy-or"`` is the probability that at least one image shows the class, if the
        images were independent. A callable takes the scores of one group, of shape (n,
        n_classes) or (n, 1), and returns one score for each column.
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
    # A group without any probability tells nothing about its class.
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
    """Return the class of each group, or -1 where its images have several classes."""
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
