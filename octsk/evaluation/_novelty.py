"""Recognise images that are unlike those on which a network was trained."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import LedoitWolf
from sklearn.utils.validation import check_is_fitted

from octsk.evaluation._doubt import check_share


class NoveltyGate(OutlierMixin, BaseEstimator):
    """Recognise images that are unlike those on which a network was trained.

    A network gives every image a class, often with a high probability, even if the image
    is a chest X-ray. The gate compares the features that the network computes from an
    image (its ``transform``) with those of the training images, by their Mahalanobis
    distance [1]_ with a shrunk covariance [2]_. Images that are further away than all but
    the share `kept` of held-out images are refused.

    Parameters
    ----------
    estimator : object
        Fitted network with ``transform``, such as `octsk.ResidualOCTNet`.
    kept : float, default=0.95
        Share of the held-out images that are accepted, between 0 and 1.

    Attributes
    ----------
    covariance_ : sklearn.covariance.LedoitWolf
        Mean and covariance of the features of the training images.
    offset_ : float
        Score below which an image is refused.
    n_train_, n_val_ : int
        Number of training and of held-out images.

    See Also
    --------
    SelectiveClassifier : Abstain where the classes are hard to tell apart.

    Notes
    -----
    A refused image is unlike the training images; it may still be an OCT scan. Scans of
    another device are often refused, and networks are indeed wrong about them more
    often. The guide has figures for both.

    References
    ----------
    .. [1] K. Lee, K. Lee, H. Lee, J. Shin, A simple unified framework for detecting
       out-of-distribution samples and adversarial attacks, NeurIPS 2018.
    .. [2] O. Ledoit, M. Wolf, A well-conditioned estimator for large-dimensional
       covariance matrices, Journal of Multivariate Analysis 88(2):365-411, 2004.

    Examples
    --------
    >>> import octsk
    >>> train = octsk.make_oct_phantoms(96, random_state=0)
    >>> val = octsk.make_oct_phantoms(40, random_state=1)
    >>> net = octsk.SmallOCTNet(filters=(8,), epochs=2, random_state=0)
    >>> net = net.fit(train.data, train.target)
    >>> gate = octsk.NoveltyGate(net).fit(train.data, val.data)
    >>> gate.predict(255 - val.data[:3])  # negatives of scans: refused
    array([-1, -1, -1])
    """

    def __init__(self, estimator, *, kept=0.95):
        self.estimator = estimator
        self.kept = kept

    def fit(self, X: ArrayLike, X_val: ArrayLike) -> "NoveltyGate":
        """Learn what images look like to the network.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images on which the network was trained.
        X_val : array-like of shape (n_val, h, w), (n_val, h, w, c) or (n_val, h * w * c)
            Images of other patients, on which it was not trained. They are needed because
            the features of training images are closer together than those of new ones.

        Returns
        -------
        NoveltyGate
            This object.

        Raises
        ------
        ValueError
            If `kept` is not between 0 and 1, or there are too few held-out images.
        """
        kept = check_share("kept", self.kept)
        if not hasattr(self.estimator, "transform"):
            raise TypeError(
                "estimator must be a fitted network with transform, such as "
                f"octsk.ResidualOCTNet; got {type(self.estimator).__name__}."
            )
        # Without the last term, rounding would give 11 for 0.9.
        least = int(np.ceil(1 / (1 - kept) - 1e-9))
        self.n_val_ = np.shape(X_val)[0]
        if self.n_val_ < least:
            raise ValueError(
                f"X_val must contain {least} images or more for kept={kept:g}, got "
                f"{self.n_val_}."
            )
        features = self._features(X)
        self.covariance_, self.n_train_ = LedoitWolf().fit(features), len(features)
        self.offset_ = float(np.quantile(self.score_samples(X_val), 1 - kept))
        return self

    def _features(self, X) -> np.ndarray:
        return np.asarray(self.estimator.transform(X), np.float64)

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Return how similar images are to those of the training set.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.

        Returns
        -------
        ndarray of shape (n,)
            Negative Mahalanobis distances of the features; high is similar.
        """
        check_is_fitted(self, "covariance_")
        return -np.sqrt(self.covariance_.mahalanobis(self._features(X)))

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the scores relative to the offset: negative where refused.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.

        Returns
        -------
        ndarray of shape (n,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return 1 for each image that is accepted and -1 for each that is refused.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.

        Returns
        -------
        ndarray of shape (n,)
            As scikit-learn's novelty detectors.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)
