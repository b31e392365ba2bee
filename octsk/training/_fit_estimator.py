"""Fit of an estimator: checkpoint, schedule, callbacks, and what the fit records."""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import keras  # isort: split

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octsk.training._callback_copies import fresh
from octsk.training._callbacks import (
    AveragedWeights,
    CosineDecay,
    given_callbacks,
    only_onlookers,
)
from octsk.training._checkpoint import (
    describe_arrays,
    describe_network,
    describe_settings,
    describe_state,
    open_checkpoint,
)
from octsk.training._fit_model import fit_model
from octsk.training._image_sets import image_sets
from octsk.training._loss_weights import class_shares
from octsk.training._memory import warn_of_memory
from octsk.training._network import keras_verbose, twin_arguments
from octsk.training._process_checks import check_not_recorded, check_settings
from octsk.training._whole_epochs import WholeEpochs
from octsk.utils.columns import check_groups
from octsk.utils.json import jsonable

# With epochs="auto", the number of epochs is this constant divided by the square root of
# the number of images, so that the number of steps is proportional to that root. It is 10
# for the 97,477 images of OCTMNIST.
_AUTO_EPOCHS = 3000


@dataclass(frozen=True)
class TrainingData:
    """Checked images and class indices of one training.

    Attributes
    ----------
    X : ndarray of shape (n, h, w, c)
        Training images.
    y : ndarray of shape (n,), int
        Their class indices.
    sample_weight : ndarray of shape (n,), float32, or None
        Their weights in the loss.
    X_val, y_val : ndarray or None
        Validation images of shape (n_val, h, w, c) and their class indices.
    groups : array-like of shape (n,) or None
        Group of each training image, such as its patient.
    """

    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    X_val: np.ndarray | None = None
    y_val: np.ndarray | None = None
    groups: Any = None


def auto_epochs(n):
    """Return the number of epochs with ``epochs="auto"`` for `n` training images."""
    return math.ceil(_AUTO_EPOCHS / math.sqrt(n))


def train(net, data, *, further, is_fit=False):
    """Train the network of an estimator and set the estimator's fitted attributes.

    Parameters
    ----------
    net : BaseOCTNet
        The estimator, with its network in `model_`.
    data : TrainingData
        Checked images and labels.
    further : bool
        Whether the training continues from the current state of the network.
    is_fit : bool, default=False
        Whether `fit` is running, which trains for `epochs` with a checkpoint and a
        learning-rate schedule. If False, `partial_fit` is, which trains for one epoch.
    """
    if data.groups is not None:
        data = replace(data, groups=check_groups(data.groups, len(data.y)))
    if not (is_fit and net.checkpoint_dir is not None):
        _train(net, data, is_fit)
        return
    identity = _identity(net, data, further)
    name = type(net).__name__
    with open_checkpoint(
        net.checkpoint_dir, name, identity, net._random_state
    ) as checkpoint:
        net._random_state = checkpoint.seed
        net._seconds_before = checkpoint.seconds_before
        try:
            _train(net, data, is_fit, checkpoint)
        except ValueError:  # such as a training that diverged
            _remove_if_unseeded(net, checkpoint)
            raise
        _remove_if_unseeded(net, checkpoint)


def _remove_if_unseeded(net, checkpoint):
    """Remove the checkpoint of a fit without a seed, so that the next fit draws one."""
    if net.random_state is None:
        checkpoint.remove()


def _identity(net, data, further):
    """Return everything that determines the fitted weights, as plain data."""
    if not only_onlookers(net.callbacks):
        raise ValueError(
            "checkpoint_dir cannot be combined with callbacks, since checkpoints do not "
            f"contain their state; got callbacks={net.callbacks!r}. Set one of the two to "
            "None."
        )
    held_out = {}
    if data.X_val is not None:
        held_out = {"X_val": data.X_val, "y_val": data.y_val}
    elif net.early_stopping:
        held_out = {"groups": data.groups}
    arrays = {"X": data.X, "y": data.y, "sample_weight": data.sample_weight, **held_out}
    return {
        "class": f"{type(net).__module__}.{type(net).__qualname__}",
        "settings": describe_settings(net),
        "init_from": net._init_sha256,
        "seed": None if net.random_state is None else net._random_state,
        "network": describe_network(net.model_),
        "classes": jsonable(net.classes_),
        "weights before": describe_state(net.model_) if further else None,
        "data": describe_arrays(**arrays),
    }


def _train(net, data, is_fit, checkpoint=None):
    check_settings()
    check_not_recorded()
    train, validation = image_sets(net, data)
    # Reports state the number of training images of each class.
    net._trained_on = np.bincount(data.y[train.index], minlength=len(net.classes_))
    first_epoch = len(net.history_["loss"])
    epochs = net.epochs if is_fit else 1
    if epochs == "auto":
        epochs = auto_epochs(len(train.index))
    before = net.class_prior_
    shares = class_shares(data.y, train.sample_weight, train.index, len(net.classes_))
    # Set this before the training, since callbacks may call predict.
    net.class_prior_ = _class_prior_after(net, before, shares, epochs)
    scheduled = is_fit and net.learning_rate_schedule is not None
    recipe = _schedule_and_average(net, epochs, first_epoch, scheduled)
    net.callbacks_ = _fresh_callbacks(net)
    stopping = net.callbacks_[-1] if net.early_stopping else None
    checkpoint_callbacks, epochs_done = [], 0
    if checkpoint is not None:
        averages = next((c for c in recipe if isinstance(c, AveragedWeights)), None)
        checkpoint.begin(net.model_, first_epoch, averages, stopping)
        checkpoint_callbacks, epochs_done = [checkpoint], checkpoint.epoch
        if checkpoint.stopped:  # by early stopping, so that no epochs are left
            epochs = epochs_done
    warn_of_memory(net.model_, net.image_shape_, min(net.batch_size, len(train.index)))
    history = checkpoint.history if checkpoint else {}
    whole = WholeEpochs(net.model_, history, scheduled=scheduled, stopping=stopping)
    net.interrupted_ = False
    was_fitted = hasattr(net, "n_iter_")
    try:
        fit_model(
            net.model_,
            train,
            validation,
            **twin_arguments(net),
            epochs=epochs - epochs_done,
            initial_epoch=first_epoch + epochs_done,
            callbacks=[*recipe, *net.callbacks_, *checkpoint_callbacks, whole],
            verbose=keras_verbose(net.verbose),
        )
    except BaseException:
        _keep_whole_epochs(net, whole, before, shares, was_fitted)
        raise
    _check_trained(net, whole.history["loss"])
    _record(net, whole.history, before, shares)


def _schedule_and_average(net, epochs, first_epoch, scheduled):
    """Return the callbacks for the schedule and the averaged weights."""
    callbacks: list[keras.callbacks.Callback] = []
    if scheduled:
        callbacks.append(CosineDecay(epochs, net.warmup_fraction, first_epoch))
    if net.model_.optimizer.use_ema:
        # This callback precedes the user's callbacks, which should see the averages.
        callbacks.append(AveragedWeights())
    return callbacks


def _fresh_callbacks(net):
    """Return copies of the estimator's callbacks, and early stopping as the last one."""
    given = given_callbacks(net.callbacks)
    for callback in given:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "callbacks must be Keras callbacks (keras.callbacks.Callback instances), "
                f"got {callback!r}."
            )
    callbacks = fresh(given)
    if net.early_stopping:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss",
                patience=net.n_iter_no_change,
                restore_best_weights=True,
            )
        )
    return callbacks


def _class_prior_after(net, before, shares, epochs):
    """Return the proportions of the classes in training after `epochs` more epochs."""
    if before is None:
        return shares
    done = len(net.history_["loss"])
    return (done * before + epochs * shares) / (done + epochs)


def _record(net, history, before, shares):
    """Set the fitted attributes after a training with this history."""
    if history:
        n_epochs = len(history["loss"])
        net.class_prior_ = _class_prior_after(net, before, shares, n_epochs)
    for name, values in history.items():
        net.history_[name] = net.history_.get(name, []) + values
    net.n_iter_ = len(net.history_["loss"])


def _keep_whole_epochs(net, whole, before, shares, was_fitted):
    """After an interruption, restore the state after the last complete epoch."""
    net.class_prior_ = before
    # A callback may have set n_iter_.
    net.__dict__.pop("n_iter_", None)
    if not (whole.history or was_fitted):
        return
    whole.restore(net.model_)
    if _is_finite(net.model_):
        _record(net, whole.history, before, shares)
        net.interrupted_ = True


def _check_trained(net, losses):
    """Raise an error if the network has diverged."""
    # Early stopping may have restored weights from before the divergence.
    lost = not net.early_stopping and not np.isfinite(losses[-1])
    if not lost and _is_finite(net.model_):
        return
    net.__dict__.pop("n_iter_", None)
    optimizer = net.model_.optimizer
    advice = f"a learning_rate below {float(optimizer.learning_rate):.3g}"
    if isinstance(optimizer, keras.optimizers.Adafactor):
        # The square of its default, 1e-30, is 0 in float32 (Keras 3.15).
        advice = (
            "Keras's Adafactor divides 0 by 0 where a gradient is 0, and "
            "optimizer=keras.optimizers.Adafactor(epsilon_1=1e-15)"
        )
    raise ValueError(
        f"the training diverged with a loss of {losses[-1]}; {advice} may help."
    )


def _is_finite(model):
    return all(np.isfinite(w).all() for w in model.get_weights())
