"""Sets of images for training and validation, and their weights in the loss."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from octsk.training._batches import Batches
from octsk.training._loss_weights import balance, loss_weights, without_ones
from octsk.training._network import has_soft_labels


def image_sets(net, data):
    """Return the batches of images for training and for validation.

    Parameters
    ----------
    net : BaseOCTNet
        The estimator.
    data : TrainingData
        Checked images and labels.

    Returns
    -------
    train : Batches
        Images for training, without those of weight 0.
    validation : Batches or None
        Images for validation: those in `data`, or those held out for early stopping.

    Raises
    ------
    ValueError
        If all images have weight 0, or if no validation images can be held out.
    """
    weight = loss_weights(data.y, data.sample_weight, net.class_weight, net.classes_)
    index = _weighted(len(data.X), weight)
    if not len(index):
        raise ValueError(
            "sample_weight and class_weight give weight 0 to all images, so there is "
            "nothing to train on."
        )
    validation = None
    if data.X_val is not None:
        validation = _validation_set(net, data)
    elif net.early_stopping:
        index, held_out = hold_out(net, index, data.y, data.groups)
        validation = _batches(net, data.X, data.y, weight, held_out)
    train = _batches(
        net,
        data.X,
        data.y,
        weight,
        index,
        seed=net._random_state,
        augmenter=net._augmenter(),
        mixup=float(net.mixup),
    )
    return train, validation


def _weighted(n, weight):
    return np.arange(n) if weight is None else np.flatnonzero(weight)


def _validation_set(net, data):
    weight = loss_weights(data.y_val, None, net.class_weight, net.classes_)
    index = _weighted(len(data.X_val), weight)
    if not len(index):
        raise ValueError(
            "class_weight gives weight 0 to all images of X_val, so there is nothing to "
            "validate on."
        )
    return _batches(net, data.X_val, data.y_val, weight, index)


def _batches(net, X, y, weight, index, **kwargs):
    if net.class_weight == "balanced":
        weight = balance(y, weight, index)
    return Batches(
        X,
        y,
        without_ones(weight, index),
        index=index,
        batch_size=net.batch_size,
        n_classes=len(net.classes_) if has_soft_labels(net) else None,
        **kwargs,
    )


def hold_out(net, index, y, groups):
    """Split `index` into training images and a stratified part for early stopping."""
    try:
        if groups is not None:
            return _hold_out_groups(net, index, y, groups)
        return train_test_split(
            index,
            test_size=float(net.validation_fraction),
            stratify=y[index],
            random_state=net._random_state,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot hold out validation_fraction="
            f"{net.validation_fraction} of {len(index)} images stratified by class "
            f"({error}). Pass X_val and y_val, or choose another fraction."
        ) from error


def _hold_out_groups(net, index, y, groups):
    n_folds = max(2, round(1 / net.validation_fraction))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=net._random_state)
    kept, held_out = next(folds.split(index, y[index], groups[index]))
    # Not all versions of scikit-learn raise this error themselves.
    if not (len(kept) and len(held_out)):
        raise ValueError(f"too few groups for {n_folds} folds")
    return index[kept], index[held_out]
