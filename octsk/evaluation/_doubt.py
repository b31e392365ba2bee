"""Prediction sets, and abstention from doubtful predictions, for a fitted classifier."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import _num_samples

from octsk.evaluation._doubt_reports import AbstentionReport, PredictionSetReport
from octsk.evaluation._images_apart import count_shared, image_digests
from octsk.metrics import bootstrap_interval
from octsk.metrics.scores import (
    check_predicted,
    encode_labels,
    get_classes,
    predict_indices,
)
from octsk.utils.columns import check_column, check_groups
from octsk.utils.validation import check_share


class _Calibrated(BaseEstimator):
    """Base class of wrappers that are calibrated on images not used for training."""

    def _calibrated_on(self, X) -> None:
        self._digests = image_digests(X)

    def _remarks(self, X) -> list[str]:
        """Return a remark if images for a test were used for the calibration."""
        n_shared = count_shared(image_digests(X), self._digests)
        if n_shared == 0:
            return []
        return [
            f"CALIBRATED ON TEST IMAGES: {n_shared:,} of the evaluated images are among "
            "the calibration images. The results are too optimistic."
        ]

    def _probabilities(self, X) -> tuple[np.ndarray, np.ndarray]:
        classes = get_classes(self.estimator)
        probabilities = np.asarray(self.estimator.predict_proba(X))
        check_predicted(self.estimator, probabilities, _num_samples(X), len(classes))
        return classes, probabilities.astype(float)

    def _probabilities_and_codes(self, X, y):
        classes, probabilities = self._probabilities(X)
        codes = encode_labels(check_column(y), len(classes), classes)
        if len(codes) != len(probabilities):
            raise ValueError(
                f"y must hold one label for each of the {len(probabilities)} images, got "
                f"{len(codes)}."
            )
        return classes, probabilities, codes


class ConformalClassifier(_Calibrated):
    """Predict sets of classes that contain the true class with a stated probability.

    This is split conformal prediction [1]_, separately for each class (label-conditional
    or Mondrian [2]_). The threshold of a class is chosen so that the predicted probability
    of the class reaches it for a proportion `confidence_level` of the calibration images of
    the class. A prediction set contains each class whose probability reaches its threshold.
    The set of a doubtful image contains several classes. The set of an image that resembles
    no class is empty.

    Parameters
    ----------
    estimator : object
        Fitted classifier with ``predict_proba`` and ``classes_``. It is not cloned.
    confidence_level : float, default=0.95
        Proportion of the images of each class whose sets should contain the true class,
        between 0 and 1.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes of the estimator.
    thresholds_ : ndarray of shape (n_classes,)
        The lowest probability at which each class belongs to a set. If there are too few
        calibration images of a class, its threshold is 0, and it belongs to every set.
    n_calibration_ : ndarray of shape (n_classes,)
        Number of calibration images of each class.

    See Also
    --------
    SelectiveClassifier : Abstain from predictions that are likely to be wrong.

    Notes
    -----
    The stated coverage holds on average over calibration sets, for new images from the
    same distribution as the calibration images. It does not hold for images from another
    device. Several images of a patient are not independent. In this case, the coverage is
    still about right on average, but varies more between calibration sets, as if there
    were fewer images. Calibrate on patients who were used neither for training nor for
    testing.

    References
    ----------
    .. [1] H. Papadopoulos, K. Proedrou, V. Vovk, A. Gammerman, Inductive confidence
       machines for regression, European Conference on Machine Learning, 2002.
    .. [2] V. Vovk, Conditional validity of inductive conformal predictors, Machine
       Learning 92:349-376, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> net = LogisticRegression(max_iter=500).fit(X[::3], y[::3])
    >>> sets = ConformalClassifier(net, confidence_level=0.9).conformalize(X[1::3], y[1::3])
    >>> sets.predict_set(X[2:5])
    array([[ True, False, False],
           [ True, False, False],
           [ True, False, False]])
    """

    def __init__(self, estimator, *, confidence_level=0.95):
        self.estimator = estimator
        self.confidence_level = confidence_level

    def conformalize(self, X: ArrayLike, y: ArrayLike) -> "ConformalClassifier":
        """Find the threshold of each class from calibration images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Calibration images, on which the estimator was not trained.
        y : array-like of shape (n,)
            True labels of the calibration images.

        Returns
        -------
        ConformalClassifier
            This object.

        Raises
        ------
        ValueError
            If `confidence_level` is not between 0 and 1, or a label is unknown.

        Warns
        -----
        UserWarning
            If a class has too few images. Its threshold is then 0.
        """
        level = check_share("confidence_level", self.confidence_level)
        classes, probabilities, codes = self._probabilities_and_codes(X, y)
        self.classes_ = classes
        self._calibrated_on(X)
        self.n_calibration_ = np.bincount(codes, minlength=len(classes))
        self.thresholds_ = np.zeros(len(classes))
        few = []
        for k, n in enumerate(self.n_calibration_):
            # A new image is equally likely to have any rank among the n + 1 images.
            n_below = math.floor((n + 1) * (1 - level) + 1e-9)
            if n_below:
                of_class = np.sort(probabilities[codes == k, k])
                self.thresholds_[k] = of_class[n_below - 1]
            else:
                few.append(str(classes[k]))
        if few:
            least = math.ceil(level / (1 - level) - 1e-9)
            warnings.warn(
                f"A confidence level of {level:g} needs at least {least} calibration "
                f"images of each class. There are fewer images of {', '.join(few)}, so "
                "that every prediction set contains each of these classes.",
                stacklevel=2,
            )
        return self

    def predict_set(self, X: ArrayLike) -> np.ndarray:
        """Return which classes belong to the prediction set of each image.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Images.

        Returns
        -------
        ndarray of shape (n, n_classes), bool
            Whether the set of each image contains each of `classes_`.

        Raises
        ------
        NotFittedError
            If `conformalize` has not been called.
        """
        self._check_calibrated()
        return self._probabilities(X)[1] >= self.thresholds_

    def evaluate(self, X, y, *, groups=None, random_state=None) -> "PredictionSetReport":
        """Measure coverage and size of the prediction sets on a test set.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Test images that were used neither for training nor for calibration.
        y : array-like of shape (n,)
            True labels of the test images.
        groups : array-like of shape (n,), default=None
            Patient of each image, for intervals over patients.
        random_state : int, RandomState instance or None, default=None
            Controls the resamples of the intervals. Pass an int for reproducible intervals.

        Returns
        -------
        PredictionSetReport
            Coverage with 95 % intervals, over all images and for each class.

        Raises
        ------
        NotFittedError
            If `conformalize` has not been called.
        """
        self._check_calibrated()
        _, probabilities, codes = self._probabilities_and_codes(X, y)
        groups = None if groups is None else check_groups(groups, len(codes))
        sets = probabilities >= self.thresholds_
        covered = sets[np.arange(len(codes)), codes]
        size = sets.sum(axis=1)
        rows = []
        for name, chosen in _selections(self.classes_, codes):
            rate, low, high = _rate(covered, chosen, groups, random_state)
            rows.append(
                {
                    "images": name,
                    "n": int(chosen.sum()),
                    "coverage": rate,
                    "low": low,
                    "high": high,
                    "mean_size": float(size[chosen].mean()),
                    "one_class": float(np.mean(size[chosen] == 1)),
                    "empty": float(np.mean(size[chosen] == 0)),
                }
            )
        level = float(self.confidence_level)
        return PredictionSetReport(level, groups is not None, rows, self._remarks(X))

    def _check_calibrated(self):
        if not hasattr(self, "thresholds_"):
            raise NotFittedError("Call conformalize before predict_set and evaluate.")


class SelectiveClassifier(_Calibrated):
    """Abstain from predictions that are likely to be wrong.

    A prediction is kept if the probability of the predicted class reaches a threshold
    (Chow's rule [1]_). The threshold is the lowest one at which at most the proportion
    `error` of the kept predictions for the calibration images is wrong.

    Parameters
    ----------
    estimator : object
        Fitted classifier with ``predict_proba`` and ``classes_``. It is not cloned.
    error : float, default=0.05
        Largest acceptable proportion of wrong predictions among those that are kept,
        between 0 and 1.

    Attributes
    ----------
    threshold_ : float
        Lowest probability at which a prediction is kept. If no threshold is good enough,
        it is infinite, and no prediction is kept.
    n_calibration_ : int
        Number of calibration images.

    See Also
    --------
    ConformalClassifier : Predict sets of classes.

    Notes
    -----
    Because the threshold is chosen on calibration images, the error on a test set is only
    about `error` and may exceed it. `evaluate` returns the error on a test set with its
    interval.

    References
    ----------
    .. [1] C. K. Chow, On optimum recognition error and reject tradeoff, IEEE Transactions
       on Information Theory 16(1):41-46, 1970.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> net = LogisticRegression(max_iter=500).fit(X[::3], y[::3])
    >>> selective = SelectiveClassifier(net, error=0.01).calibrate(X[1::3], y[1::3])
    >>> selective.keeps(X[2:5])
    array([ True,  True,  True])
    """

    def __init__(self, estimator, *, error=0.05):
        self.estimator = estimator
        self.error = error

    def calibrate(self, X: ArrayLike, y: ArrayLike) -> "SelectiveClassifier":
        """Choose the threshold on calibration images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Calibration images, on which the estimator was not trained.
        y : array-like of shape (n,)
            True labels of the calibration images.

        Returns
        -------
        SelectiveClassifier
            This object.

        Raises
        ------
        ValueError
            If `error` is not between 0 and 1, or a label is unknown.

        Warns
        -----
        UserWarning
            If the error is too large at every threshold.
        """
        error = check_share("error", self.error)
        _, probabilities, codes = self._probabilities_and_codes(X, y)
        self._calibrated_on(X)
        self.n_calibration_ = len(codes)
        self.threshold_ = abstention_threshold(probabilities, codes, error)
        if math.isinf(self.threshold_):
            warnings.warn(
                f"No threshold keeps the error at {error:g} or below on the calibration "
                "images: no prediction will be kept.",
                stacklevel=2,
            )
        return self

    def keeps(self, X: ArrayLike) -> np.ndarray:
        """Return for each image whether its prediction is kept.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Images.

        Returns
        -------
        ndarray of shape (n,), bool
            False for images on which the classifier should abstain.

        Raises
        ------
        NotFittedError
            If `calibrate` has not been called.
        """
        self._check_calibrated()
        return self._probabilities(X)[1].max(axis=1) >= self.threshold_

    def evaluate(self, X, y, *, groups=None, random_state=None) -> "AbstentionReport":
        """Measure the rate of abstention and the error of the kept predictions.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
            Test images that were used neither for training nor for calibration.
        y : array-like of shape (n,)
            True labels of the test images.
        groups : array-like of shape (n,), default=None
            Patient of each image, for intervals over patients.
        random_state : int, RandomState instance or None, default=None
            Controls the resamples of the intervals. Pass an int for reproducible intervals.

        Returns
        -------
        AbstentionReport
            Both rates with 95 % intervals, over all images and for each class.

        Raises
        ------
        NotFittedError
            If `calibrate` has not been called.
        """
        self._check_calibrated()
        classes, probabilities, codes = self._probabilities_and_codes(X, y)
        groups = None if groups is None else check_groups(groups, len(codes))
        return measure_abstention(
            probabilities,
            codes,
            classes,
            error=float(self.error),
            threshold=self.threshold_,
            groups=groups,
            random_state=random_state,
            remarks=self._remarks(X),
        )

    def _check_calibrated(self):
        if not hasattr(self, "threshold_"):
            raise NotFittedError("Call calibrate before keeps and evaluate.")


def abstention_threshold(probabilities, codes, error: float) -> float:
    """Return the lowest threshold at which the error of kept predictions is acceptable.

    It is infinite if the error exceeds `error` at every threshold.
    """
    wrong = predict_indices(probabilities) != codes
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    share_wrong = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    confidence = confidence[order]
    # Images of equal probability are either all kept or all left out.
    last = np.append(confidence[1:] != confidence[:-1], True)
    good = np.flatnonzero(last & (share_wrong <= error))
    return float(confidence[good[-1]]) if good.size else math.inf


def measure_abstention(
    probabilities, codes, names, *, error, threshold, groups, random_state, remarks=()
) -> AbstentionReport:
    """Measure the rate of predictions below the threshold, and the error of the others.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Predicted probabilities.
    codes : ndarray of shape (n,), int
        True classes, as column indices of `probabilities`.
    names : sequence of length n_classes
        Names of the classes for the table.
    error, threshold : float
        Requested error, and lowest probability at which a prediction is kept.
    groups : array-like of shape (n,) or None
        Patient of each image, for the intervals.
    random_state : int, RandomState instance or None
        Controls the resamples of the intervals.
    remarks : sequence of str, default=()
        Notes of the table.

    Returns
    -------
    AbstentionReport
        Both rates with 95 % intervals, over all images and for each class.
    """
    kept = probabilities.max(axis=1) >= threshold
    wrong = predict_indices(probabilities) != codes
    rows: list[dict[str, Any]] = []
    for name, chosen in _selections(names, codes):
        row: dict[str, Any] = {"images": name, "n": int(chosen.sum())}
        rates = {"abstained": (~kept, chosen), "error": (wrong, chosen & kept)}
        for key, (happened, of) in rates.items():
            rate, low, high = _rate(happened, of, groups, random_state)
            row |= {key: rate, f"{key}_low": low, f"{key}_high": high}
        rows.append({**row, "error_of_all": float(wrong[chosen].mean())})
    return AbstentionReport(error, threshold, groups is not None, rows, [*remarks])


def _selections(classes, codes):
    """Yield a name and a mask of images, first for all images and then for each class."""
    yield "all", np.ones(len(codes), bool)
    for k in np.unique(codes):
        yield str(classes[k]), codes == k


def _rate(happened, chosen, groups, random_state) -> tuple[float, float, float]:
    """Return the proportion of the chosen images, with its 95 % interval."""
    values = happened[chosen].astype(float)
    if not values.size:
        return math.nan, math.nan, math.nan
    those = None if groups is None else groups[chosen]
    if values.size < 2 or (those is not None and len(np.unique(those)) < 2):
        return float(values.mean()), math.nan, math.nan
    # The proportion is an accuracy: all images are of class 0, and those for which it
    # happened have a score of 0 for class 1, so that class 0 is predicted.
    low, high = bootstrap_interval(
        "acc",
        np.zeros(len(values), int),
        1 - values,
        groups=those,
        random_state=random_state,
    )
    return float(values.mean()), low, high
