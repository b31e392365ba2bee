"""Drawing of resamples, and metrics that are computed for many resamples at once.

A resample is a row of counts, which state how often each sample was drawn. Each metric is
converted to a function that takes many such rows and returns one value for each. Most
metrics are sums weighted by the counts, so that one matrix product computes them for
thousands of resamples.
"""

from collections.abc import Callable, Iterator

import numpy as np

from octsk.metrics.scores import count_classes, predict_indices

# Resamples are drawn in blocks of at most this many counts (32 MB of float64).
_BLOCK = 4_000_000


def draw_counts(codes, groups, n_resamples, random_state) -> Iterator[np.ndarray]:
    """Yield blocks of counts of shape (block, n_samples), with n_resamples rows in all."""
    block = max(1, _BLOCK // len(codes))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        if groups is None:
            yield _stratified_counts(codes, size, random_state)
        else:
            yield _group_counts(codes, groups, size, random_state)


def _stratified_counts(codes, size, random_state) -> np.ndarray:
    counts = np.empty((size, len(codes)))
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        counts[:, members] = _counts(len(members), size, random_state)
    return counts


def _group_counts(codes, groups, size, random_state) -> np.ndarray:
    present = np.zeros((groups.max() + 1, codes.max() + 1))
    present[groups, codes] = 1
    present = present[:, np.unique(codes)]
    drawn = np.zeros((size, len(present)))
    missing = np.arange(size)
    while missing.size:
        drawn[missing] = _counts(len(present), missing.size, random_state)
        missing = missing[(drawn[missing] @ present == 0).any(axis=1)]
    return drawn.take(groups, axis=1)


def _counts(n, size, random_state) -> np.ndarray:
    """Return counts of shape (size, n): how often each of n units occurs in n draws."""
    drawn = random_state.randint(n, size=(size, n)) + n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


# --------------------------------------------------------------------------------------
# Metrics
# --------------------------------------------------------------------------------------


def _resampled_mean(values) -> Callable:
    return lambda counts: counts @ values / counts.sum(axis=1)


def resampled_accuracy(codes, score) -> Callable:
    return _resampled_mean((predict_indices(score) == codes).astype(float))


def resampled_log_loss(codes, score) -> Callable:
    if score.shape[1] == 1:
        score = np.hstack([1 - score, score])
    true = score[np.arange(len(codes)), codes]
    # scikit-learn's log_loss clips at the same value.
    return _resampled_mean(-np.log(np.clip(true, np.finfo(float).eps, 1)))


def resampled_balanced_accuracy(codes, score) -> Callable:
    right = predict_indices(score) == codes
    # A column for each class that occurs, which marks the samples of the class.
    members = np.eye(count_classes(score))[codes][:, np.unique(codes)]
    return lambda counts: np.mean(
        counts @ (members * right[:, None]) / (counts @ members), axis=1
    )


def resampled_auc(codes, score) -> Callable:
    # With two classes, only the second class counts, whose scores are in the last column.
    classes = range(score.shape[1]) if score.shape[1] > 2 else [1]
    if score.shape[1] == 1:
        score = np.hstack([-score, score])
    return lambda counts: np.mean(
        [_one_vs_rest_auc(codes == c, score[:, c], counts) for c in classes], axis=0
    )


def _one_vs_rest_auc(positive, score, counts) -> np.ndarray:
    """Return the normalized Mann-Whitney statistic of a column for each row of counts."""
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives])]
    # Column i contains the number of draws of the i negatives with the lowest scores.
    below = np.zeros((len(counts), len(negatives) + 1))
    np.cumsum(counts[:, negatives], axis=1, out=below[:, 1:])
    drawn = counts[:, positive]
    wins = np.zeros(len(counts))
    for side in ("left", "right"):  # equal scores count one half
        place = np.searchsorted(score[negatives], score[positive], side)
        wins += np.einsum("ij,ij->i", drawn, below[:, place]) / 2
    with np.errstate(invalid="ignore"):
        return wins / (drawn.sum(axis=1) * below[:, -1])


def resampled_by_calls(metric, y_true, y_score) -> Callable:
    def call(counts):
        repeated = [np.repeat(np.arange(len(row)), row.astype(int)) for row in counts]
        return np.array([metric(y_true[drawn], y_score[drawn]) for drawn in repeated])

    return call
