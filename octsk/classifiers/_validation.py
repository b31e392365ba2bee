"""Validation of labels, weights and other input of the estimators.

Images are validated by :mod:`octsk.utils.validation`.
"""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from octsk.augmentation import OCTAugmenter
from octsk.training import architecture_arguments, make_loss
from octsk.utils.columns import check_column, check_known
from octsk.utils.validation import check_lengths, validate_images


def check_labels(X, y, X_name="X", name="y"):
    """Check that there is one class label per image, and return the labels as an array."""
    y = check_column(y, name)
    check_lengths(X, y, X_name, name)
    check_array(y, ensure_2d=False, dtype=None, input_name=name)
    check_classification_targets(y)
    return y


def check_classes(classes):
    """Check that there are two classes or more."""
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()}; a classifier needs at least 2 classes."
        )


def check_known_labels(y, classes, name):
    """Check that all labels are among the classes of the network."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{name} holds labels that the network was not made for: {unknown.tolist()}; "
            f"its classes are {classes.tolist()}."
        )


def check_sample_weight(sample_weight, X):
    """Return one weight of 0 or more per image as float32, or None."""
    if sample_weight is None:
        return None
    hint = "Give these images a weight; a weight of 0 leaves an image out."
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


def check_goes_on(net):
    """Check that the network of `net` can be trained further with its parameters."""
    made_with, now = net._made_with, architecture_arguments(net)
    if made_with != now:
        raise ValueError(
            f"the network was made with {made_with} and cannot go on with {now}; fit "
            "without warm_start."
        )
    compiled, wanted = net.model_.loss, make_loss(net)
    if (type(compiled), compiled.get_config()) != (type(wanted), wanted.get_config()):
        raise ValueError(
            f"label_smoothing={net.label_smoothing} and mixup={net.mixup} need another "
            "loss than the network was made with; fit without warm_start."
        )


def check_augmentation(augmentation, preset):
    """Return the augmenter that the parameter `augmentation` stands for, or None."""
    if not isinstance(augmentation, OCTAugmenter):
        # NumPy's booleans, such as those of a grid, are not identical with True.
        return OCTAugmenter.from_preset(preset) if augmentation else None
    augmentation._validate_params()
    if hasattr(augmentation, "fit_resample"):
        raise ValueError(
            f"augmentation={augmentation} is a resampler; n_copies must be None, and "
            "sampling_strategy too, for random transformations in each epoch."
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
