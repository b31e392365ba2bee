"""Fit and score a candidate on the folds of a cross-validation."""

import numpy as np
from sklearn.model_selection._validation import _fit_and_score
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

from octsk.utils.hashing import stable_hash


class Folds:
    """Cross-validation folds, on which candidates are fitted and scored."""

    def __init__(self, X, y, *, splits, cost, **settings):
        self.X = X
        self.y = y
        self.splits = splits
        self._cost = cost
        self._settings = settings

    def arguments(self, i):
        """Return the arguments of `fit_fold` besides the candidate, for one fold."""
        train, test = self.splits[i]
        own = {"X": self.X, "y": self.y, "train": train, "test": test, "cost": self._cost}
        return own | self._settings

    def score(self, candidate, i):
        """Return the scores of a fitted candidate on the test images of a fold."""
        _, test = self.splits[i]
        X, y = _safe_indexing(self.X, test), _safe_indexing(self.y, test)
        params = self._settings["score_params"]
        params = _check_method_params(self.X, params=params, indices=test)
        return self._settings["scorer"](candidate, X, y, **params)

    def hash_of_parameters(self):
        """Return a hash of the arguments of `fit` and the scorers, such as weights."""
        return stable_hash([self._settings["fit_params"], self._settings["score_params"]])

    def fingerprint(self):
        """Return a hash of images, labels and folds."""
        return stable_hash([self.X, np.asarray(self.y).astype(str), self.splits])


def fit_fold(estimator, *, X, y, train, test, cost, **settings):
    """Return the scores, times and cost of one fit, as scikit-learn's searches do."""
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
            "cost='n_parameters' needs an octsk net, or a pipeline that ends in one; got "
            f"{estimator!r}."
        )
    return net.model_.count_params()


def find_net(estimator):
    """Return the octsk net at the end of an estimator and the prefix of its parameters.

    The net is None if the estimator does not end in one.
    """
    from octsk.classifiers import BaseOCTNet

    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator if isinstance(estimator, BaseOCTNet) else None
