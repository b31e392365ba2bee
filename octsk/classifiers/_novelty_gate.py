"""Detection of images that are unlike those on which a network was trained."""

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from octsk.utils.validation import check_images, check_share

# Maximum number of images of each split on which `add_gate` fits a gate, so that this takes
# less time than an epoch of training, and maximum number of features, whose covariance
# matrix is saved in the file of the network.
_MOST_IMAGES, _MOST_FEATURES = 5000, 1024


class NoveltyGate(OutlierMixin, BaseEstimator):
    """Detect images that are unlike those on which a network was trained.

    A network assigns a class to every image, often with a high probability, even if the
    image is a chest X-ray. The gate computes the features of an image by the ``transform``
    of the network, and their Mahalanobis distance [1]_ from those of the training images
    with a shrunk covariance [2]_. It accepts the share `kept` of held-out images with the
    smallest distances, and refuses every image that is further away than these.

    Parameters
    ----------
    estimator : object
        Fitted network with the method ``transform``, such as `octsk.ResidualOCTNet`.
    kept : float in (0, 1), default=0.95
        Share of the held-out images that are accepted.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean of the features of the training images.
    precision_ : ndarray of shape (n_features, n_features)
        Inverse of the covariance of these features.
    offset_ : float
        Score below which an image is refused.
    n_train_, n_val_ : int
        Numbers of training images and held-out images.

    See Also
    --------
    SelectiveClassifier : Abstains if the classes are hard to tell apart.

    Notes
    -----
    A refused image is unlike the training images, but may still be an OCT scan. Scans from
    another device are refused more often than those from the same device, and networks
    indeed misclassify them more often. The user guide states how often.

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
        """Estimate the distribution of the features, and choose the threshold.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images on which the network was trained.
        X_val : array-like of shape (n_val, h, w), (n_val, h, w, c) or (n_val, h * w * c)
            Images of other patients, on which the network was not trained. They determine
            the threshold, since the features of training images are closer together than
            those of new images.

        Returns
        -------
        NoveltyGate
            The fitted gate itself.

        Raises
        ------
        TypeError
            If the estimator has no method ``transform``.
        ValueError
            If `kept` is not between 0 and 1, or if there are fewer than ``1 / (1 - kept)``
            held-out images.
        """
        kept = check_share("kept", self.kept)
        if not hasattr(self.estimator, "transform"):
            raise TypeError(
                "estimator must be a fitted network with transform, such as "
                f"octsk.ResidualOCTNet; got {type(self.estimator).__name__}."
            )
        least = least_held_out(kept)
        self.n_train_, self.n_val_ = np.shape(X)[0], np.shape(X_val)[0]
        if self.n_val_ < least:
            raise ValueError(
                f"X_val must contain {least} images or more for kept={kept:g}, got "
                f"{self.n_val_}."
            )
        fitted = LedoitWolf().fit(self._features(X))
        self.mean_, self.precision_ = fitted.location_, fitted.precision_
        self.offset_ = float(np.quantile(self.score_samples(X_val), 1 - kept))
        return self

    def _features(self, X) -> np.ndarray:
        shape = getattr(self.estimator, "image_shape_", None)
        images = check_images(X, image_shape=shape)
        return np.asarray(self.estimator.transform(images), np.float64)

    def predict_with_proba(self, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return what `predict` returns, and the probabilities of the estimator.

        The networks of octsk compute both in a single forward pass.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.

        Returns
        -------
        accepted : ndarray of shape (n,)
            1 for each image that is accepted and -1 for each that is refused.
        probabilities : ndarray of shape (n, n_classes)
            ``estimator.predict_proba(X)``.
        """
        check_is_fitted(self, "mean_")
        if not hasattr(self.estimator, "_predict_with_features"):
            return self.predict(X), np.asarray(self.estimator.predict_proba(X))
        probabilities, features = self.estimator._predict_with_features(X)
        return self._accepted(self._score(features)), probabilities

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Return how similar images are to those of the training set.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.

        Returns
        -------
        ndarray of shape (n,)
            Negative Mahalanobis distances of the features. Higher means more similar.
        """
        check_is_fitted(self, "mean_")
        return self._score(self._features(X))

    def _score(self, features) -> np.ndarray:
        far = features.astype(np.float64) - self.mean_
        return -np.sqrt(np.einsum("ij,jk,ik->i", far, self.precision_, far, optimize=True))

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the scores minus the offset, which are negative for refused images.

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
        return self._accepted(self.score_samples(X))

    def _accepted(self, score) -> np.ndarray:
        return np.where(score >= self.offset_, 1, -1)

    def describe(self, unfamiliar) -> str:
        """Return a remark for the user on how many images are refused.

        Parameters
        ----------
        unfamiliar : array-like of shape (n,), bool
            Whether each image is refused.

        Returns
        -------
        str
            A sentence or two.
        """
        n, share, usual = int(np.sum(unfamiliar)), np.mean(unfamiliar), 1 - self.kept
        words = (
            f"{n:,} of {len(unfamiliar):,} images ({share:.0%}) are unlike those on which "
            f"the network was trained; about {usual:.0%} are expected among similar images"
        )
        if share > 2 * usual:
            words = f"UNFAMILIAR IMAGES: {words}"
        return f"{words}. Do not rely on the classes of these {n:,}." if n else f"{words}."


def least_held_out(kept: float) -> int:
    """Return the minimum number of held-out images for an accepted share `kept`."""
    # Without the last term, rounding errors would yield 11 instead of 10 for 0.9.
    return int(np.ceil(1 / (1 - kept) - 1e-9))


class GateMixin:
    """Mixin that converts the gate of a network for the file of the network."""

    def _encode_gate(self: Any, gate) -> dict[str, Any] | None:
        """Convert a gate to plain values for a file; None means the gate in `gate_`."""
        gate = self.gate_ if gate is None else gate
        if gate is None:
            return None
        if getattr(gate, "estimator", None) is not self:
            raise ValueError(
                "gate must be a NoveltyGate of this estimator, such as "
                f"NoveltyGate(net).fit(X, X_val); got {gate!r:.60}."
            )
        if not hasattr(gate, "mean_"):
            raise NotFittedError("gate must be fitted before it is saved.")
        numbers = np.concatenate([gate.mean_, gate.precision_.ravel()]).astype("<f4")
        return {
            "kept": float(gate.kept),
            "offset": gate.offset_,
            "n_train": gate.n_train_,
            "n_val": gate.n_val_,
            "numbers": base64.b64encode(numbers.tobytes()).decode(),
        }

    def _decode_gate(self: Any, state) -> None:
        """Set `gate_` from the values that `_encode_gate` returned."""
        self.gate_ = None
        if state is None:
            return
        gate = NoveltyGate(self, kept=float(state["kept"]))
        gate.offset_ = float(state["offset"])
        gate.n_train_, gate.n_val_ = int(state["n_train"]), int(state["n_val"])
        numbers = np.frombuffer(base64.b64decode(state["numbers"]), "<f4").astype(float)
        n = self._n_features_out
        if len(numbers) != n * (n + 1) or not np.isfinite([*numbers, gate.offset_]).all():
            raise ValueError("its gate does not fit its network")
        gate.mean_, gate.precision_ = numbers[:n], numbers[n:].reshape(n, n)
        self.gate_ = gate


def add_gate(net, dataset) -> str | None:
    """Fit a gate on a data set and store it as `gate_` of a network, if this is possible.

    Parameters
    ----------
    net : BaseOCTNet
        Network that was trained on the training split.
    dataset : Bunch
        Data set with the split ``train`` and, if there is one, ``val``.

    Returns
    -------
    str or None
        The reason why no gate was fitted, or None if one was.
    """
    val = dataset.get("val")
    least = least_held_out(NoveltyGate(net).kept)
    if val is None or len(val["data"]) < least:
        return f"it requires a val split of {least} images or more"
    if net._n_features_out > _MOST_FEATURES:
        return f"the network has {net._n_features_out:,} features, which are too many"
    X, X_val = (_some(dataset[split]["data"]) for split in ("train", "val"))
    net.gate_ = NoveltyGate(net).fit(X, X_val)
    return None


def _some(images):
    if len(images) <= _MOST_IMAGES:
        return images
    chosen = np.random.RandomState(0).choice(len(images), _MOST_IMAGES, replace=False)
    return np.asarray(images)[np.sort(chosen)]
