"""Validation of labels, weights and parameters of the estimators.

Images are validated by :mod:`octsk.utils.validation`.
"""

import os

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from octsk.augmentation import OCTAugmenter
from octsk.classifiers._scikeras import AdaptedKerasClassifier
from octsk.persistence import load_network
from octsk.training import make_loss, network_arguments
from octsk.utils.columns import check_column, check_known
from octsk.utils.validation import check_lengths, validate_images


def check_labels(X, y, X_name="X", name="y"):
    """Check that there is one class label per image, and return the labels as an array."""
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None."
        )
    y = check_column(y, name)
    check_lengths(X, y, X_name, name)
    check_array(y, ensure_2d=False, dtype=None, input_name=name)
    check_classification_targets(y)
    return y


def check_classes(encoder, y):
    """Fit the encoder to labels of at least two classes, and return it."""
    check_known(y, "classes", "Each class needs a label.")
    classes = encoder.fit(y).classes_
    if len(classes) < 2:
        raise ValueError(
            f"y has only one class, {classes.tolist()}; a classifier needs at least 2 "
            "classes."
        )
    return encoder


def check_known_labels(y, classes, name):
    """Check that all labels are among the classes of the network."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{name} contains labels that are not classes of the network: "
            f"{unknown.tolist()}; its classes are {classes.tolist()}."
        )


def check_sample_weight(sample_weight, X):
    """Return one weight of 0 or more per image as float32, or None."""
    if sample_weight is None:
        return None
    hint = "Give these images a weight; images with weight 0 are left out."
    check_known(sample_weight, "sample_weight", hint)
    try:
        return _check_sample_weight(
            sample_weight, X, dtype=np.float32, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(
            f"sample_weight must be a number of 0 or more for each image: {error}"
        ) from error


def check_validation_set(net, X_val, y_val):
    """Return checked validation images and their class indices, or None and None."""
    if X_val is None and y_val is None:
        return None, None
    if X_val is None or y_val is None:
        raise ValueError("X_val and y_val must be given together; one is None.")
    X_val = validate_images(net, X_val, reset=False, name="X_val")
    y_val = check_labels(X_val, y_val, "X_val", "y_val")
    check_known_labels(y_val, net.classes_, "y_val")
    return X_val, net.target_encoder_.transform(y_val)


def check_can_continue(net):
    """Check that the network of `net` can be trained further with its parameters."""
    made_with, now = net._made_with, network_arguments(net)
    if made_with != now:
        raise ValueError(
            f"the network was created with {made_with} and cannot be trained further with "
            f"{now}; fit without warm_start."
        )
    compiled, wanted = net.model_.loss, make_loss(net)
    if (type(compiled), compiled.get_config()) != (type(wanted), wanted.get_config()):
        raise ValueError(
            f"label_smoothing={net.label_smoothing} and mixup={net.mixup} require another "
            "loss than the one that the network was compiled with; fit without warm_start."
        )


def check_init_from(net):
    """Return the name and the Keras model of the parameter `init_from`, or None."""
    source = net.init_from
    if source is None:
        return None
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    if isinstance(source, str | os.PathLike):
        try:
            name, model = load_network(source)
        except (OSError, ValueError) as error:
            kind = type(error) if isinstance(error, OSError) else ValueError
            raise kind(f"init_from: {error}") from error
        return f"the {name} in {os.fspath(source)!r}", model
    if not isinstance(source, AdaptedKerasClassifier):
        raise ValueError(
            "init_from must be None, the path of a saved network (.octsk) or a fitted "
            f"octsk network; got {source!r:.80}."
        )
    if source is net:
        raise ValueError(
            "init_from is this network itself, whose weights are replaced by fit. Pass a "
            "copy made by copy.deepcopy, or set warm_start=True to train it further."
        )
    if not source.__sklearn_is_fitted__():
        raise NotFittedError(
            f"init_from: this {type(source).__name__} instance is not fitted yet. Call fit "
            "before you pass it. A search clones its values without their weights: pass "
            "sklearn.frozen.FrozenEstimator(network) or the path of a saved network."
        )
    return f"the given {type(source).__name__}", source.model_


def check_freeze(freeze):
    """Check that the parameter `freeze` is None, "features" or a list of names."""
    if freeze is None or (isinstance(freeze, str) and freeze == "features"):
        return
    if (
        not isinstance(freeze, list | tuple | np.ndarray)
        or not len(freeze)
        or not all(isinstance(name, str) for name in freeze)
    ):
        raise ValueError(
            "freeze must be None, 'features' (all layers except the last one) or a list of "
            f"layer names; got {freeze!r}."
        )


def check_augmentation(augmentation, preset):
    """Return the augmenter that the parameter `augmentation` requests, or None."""
    if not isinstance(augmentation, OCTAugmenter):
        # A grid may contain NumPy's booleans, for which "is True" would fail.
        return OCTAugmenter.from_preset(preset) if augmentation else None
    augmentation._validate_params()
    if hasattr(augmentation, "fit_resample"):
        raise ValueError(
            f"augmentation={augmentation} is a resampler, which cannot augment batches; "
            "leave n_copies and sampling_strategy at None."
        )
    return augmentation


def check_class_prior(class_prior, classes):
    """Return the parameter `class_prior` as an array of shape (n_classes,)."""
    n_classes = len(classes)
    if isinstance(class_prior, str):
        return np.full(n_classes, 1 / n_classes)
    prior = check_array(class_prior, ensure_2d=False, dtype=float, input_name="class_prior")
    if prior.shape != (n_classes,) or prior.min() <= 0 or not np.isclose(prior.sum(), 1):
        raise ValueError(
            f"class_prior must be None, 'uniform' or {n_classes} shares above 0 that sum "
            f"to 1, one for each of the classes {classes.tolist()}; got {class_prior!r}."
        )
    return prior
