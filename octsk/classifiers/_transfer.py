"""Transfer learning: weights of another network, and features for other estimators."""

import hashlib
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from octsk.classifiers._novelty_gate import GateMixin
from octsk.training import (
    Forward,
    copy_fitting_weights,
    features_model,
    keras_verbose,
    logits,
    weights_sha256,
)


class TransferMixin(GateMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for `transform`, which returns the features of a network."""

    def transform(self: Any, X):
        """Return the features from which the last layer computes the logits.

        The features are the input of the last layer that has weights, such as the output
        of the last hidden dense layer or of the global average pooling. Feature maps are
        averaged over their positions. With `test_time_augmentation`, the features of each
        image and its mirror image are averaged.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the same shape as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            The features.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the images are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> clf.transform(X).shape
        (64, 64)
        """
        return self._outputs(X, "features").astype(np.float32)

    def _outputs(self: Any, X, kind=None):
        """Return the logits of images, or their features, or both, in float64."""
        check_is_fitted(self)
        images = self._check_images(X, reset=False)
        if not hasattr(self, "_forward"):
            self._forward = Forward(self.model_)
        forward = self._forward if kind is None else getattr(self._forward, kind)
        # In float64, the rows of probabilities sum to 1 as closely as the scorers of
        # scikit-learn require, also those of CalibratedClassifierCV.
        outputs = logits(forward, images).astype(np.float64)
        if self.test_time_augmentation:
            outputs = (outputs + logits(forward, images[:, :, ::-1])) / 2  # mirror images
        return outputs

    def _predict_with_features(self: Any, X):
        """Return `predict_proba` and `transform` of images from one forward pass."""
        n_classes = len(self.classes_)
        both = self._outputs(X, "logits_and_features")
        features = both[:, n_classes:].astype(np.float32)
        return self._probabilities(both[:, :n_classes]), features

    @property
    def _n_features_out(self: Any):
        return features_model(self.model_).output_shape[-1]


def start_from(net, source):
    """Copy matching weights from another network, and record their number and origin.

    Parameters
    ----------
    net : BaseOCTNet
        The estimator with its new network in `model_`.
    source : tuple of (str, keras.Model) or None
        Name and network to copy from. None copies nothing.

    Raises
    ------
    ValueError
        If no layer has the same name and weight shapes in both networks.
    """
    net.n_weights_transferred_, net._init_sha256 = 0, None
    if source is None:
        return
    name, model = source
    n_copied = copy_fitting_weights(model, net.model_)
    if not n_copied:
        raise ValueError(
            f"init_from: no layer of {name} has weights of the same shapes as the layer of "
            f"the same name in this {type(net).__name__}. Use a network with the same "
            "architecture and with the same `filters` or `dense_units`."
        )
    net.n_weights_transferred_, net._init_sha256 = n_copied, weights_sha256(model)
    if keras_verbose(net.verbose):
        total = sum(w.size for w in net.model_.get_weights())
        print(f"{n_copied:,} of {total:,} weights were transferred from {name}.")


def describe_source(source):
    """Return a text that identifies the contents of the parameter `init_from`.

    Parameters
    ----------
    source : str, path-like, BaseOCTNet or None
        The parameter.

    Returns
    -------
    str or None
        A text with a hash of the file or of the weights. If the file does not exist or the
        network is not fitted, the parameter converted to a string. None for None.
    """
    if source is None:
        return None
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    if hasattr(source, "model_"):
        return f"{type(source).__name__} with weights {weights_sha256(source.model_)}"
    try:
        with open(source, "rb") as file:
            return f"file with SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except (OSError, TypeError, ValueError):  # fit rejects such a value
        return str(source)
