"""Fitting and scoring of candidates on the folds of a cross-validation."""

import numpy as np
from sklearn.model_selection._validation import _fit_and_score
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

from octsk.utils.hashing import stable_hash


class Folds:
    """Cross-validation folds, on which candidates are fitted and scored.

    Parameters
    ----------
    X : array-like of n images
        Images, or whatever input the estimator accepts.
    y : array-like of shape (n,) or None
        Labels.
    splits : list of (ndarray, ndarray)
        Indices of the training and test images of each fold.
    cost : "fit_time", callable or None
        Cost of a fit; see `OCTSearchCV`.
    **settings : dict
        Further arguments of scikit-learn's ``_fit_and_score``.
    """

    def __init__(self, X, y, *, splits, cost, **settings):
        self.X = X
        self.y = y
        self.splits = splits
        self._cost = cost
        self._settings = settings

    def arguments(self, i):
        """Return the arguments of `fit_fold` for fold `i`, except for the candidate."""
        train, test = self.splits[i]
        own = {"X": self.X, "y": self.y, "train": train, "test": test, "cost": self._cost}
        return own | self._settings

    def score(self, candidate, i):
        """Return the scores of a fitted candidate on the test images of fold `i`."""
        _, test = self.splits[i]
        X, y = _safe_indexing(self.X, test), _safe_indexing(self.y, test)
        params = self._settings["score_params"]
        params = _check_method_params(self.X, params=params, indices=test)
        return self._settings["scorer"](candidate, X, y, **params)

    def hash_of_parameters(self):
        """Return a hash of the arguments of `fit` and the scorers, such as weights."""
        return stable_hash([self._settings["fit_params"], self._settings["score_params"]])

    def fingerprint(self):
        """Return a hash of the images, labels and folds."""
        return stable_hash([self.X, np.asarray(self.y).astype(str), self.splits])


def check_splits(splits, n):
    """Check that each fold has training and test images, by their positions.

    Parameters
    ----------
    splits : list
        The folds that the parameter `cv` gives.
    n : int
        Number of images.

    Raises
    ------
    ValueError
        If there is no fold, or a fold lacks one of the two or names no positions.
    """
    if not splits:
        raise ValueError(
            "cv gives no folds. An iterator is empty after its first use: create a new one "
            "for each fit, or convert it to a list."
        )
    for i, fold in enumerate(splits):
        for what, part in zip(("training", "test"), fold, strict=True):
            positions = np.asarray(part)
            if positions.dtype == bool and positions.shape == (n,):
                positions = np.flatnonzero(positions)
            if positions.size == 0:
                raise ValueError(f"cv gives a fold without {what} images, fold {i}.")
            whole = positions.ndim == 1 and positions.dtype.kind in "iu"
            if not whole or positions.min() < -n or positions.max() >= n:
                raise ValueError(
                    f"cv must give positions of images, whole numbers below {n}; the "
                    f"{what} images of fold {i} are {part!r:.60}."
                )


def fit_fold(estimator, *, X, y, train, test, cost, **settings):
    """Fit a candidate on one fold, and return its scores, times and cost in a dict.

    The dict has the keys of scikit-learn's ``_fit_and_score``, and "cost" if there is one.
    """
    result = _fit_and_score(
        estimator,
        X,
        y,
        train=train,
        test=test,
        parameters=None,
        verbose=0,
        return_times=True,
        return_n_test_samples=True,
        **settings,
    )
    failed = result["fit_error"] is not None
    if failed:
        result["fit_error"] = result["fit_error"].strip().splitlines()[-1]
    if cost == "fit_time":
        result["cost"] = result["fit_time"]
    elif cost is not None:
        result["cost"] = np.nan if failed else float(cost(estimator))
    return result


def count_parameters(estimator):
    """Return the number of weights of the network in a fitted estimator."""
    _, net = find_net(estimator)
    if net is None:
        raise ValueError(
            "cost='n_parameters' requires an octsk net or a pipeline that ends in one; got "
            f"{estimator!r}."
        )
    return net.model_.count_params()


def find_net(estimator):
    """Return the prefix of the parameters of the net in an estimator, and the net.

    The net is the estimator itself or the last step of a pipeline. It is None if that is
    not an octsk net.
    """
    from octsk.classifiers import BaseOCTNet

    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator if isinstance(estimator, BaseOCTNet) else None
