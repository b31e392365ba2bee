"""Fit of a compiled Keras model to batches of images."""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import keras, silent_about_retracing, tf  # isort: split

from contextlib import nullcontext

import numpy as np

from octsk.training._model_pool import ModelPool


def _seed_random_layers(model, seed, epoch):
    """Make the random numbers of dropout depend only on the seed and the epoch.

    Keras 3.15 saves their state neither in files nor in pickles, so a training that
    continues after loading would otherwise yield different weights each time.
    """
    weights = {id(v) for v in model.weights}
    # The third number makes this stream different from that of the batches.
    rng = np.random.default_rng([seed, epoch, 1])
    for state in (v for v in model.variables if id(v) not in weights):
        state.assign(rng.integers(2**31, size=state.shape))


class _Epochs(keras.callbacks.Callback):
    """Set the epoch of the batches and the random layers."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        _seed_random_layers(self.model, self.batches.seed, epoch)


_pool = ModelPool()


def _copy_variables(source, target):
    """Copy the weights, the seeds of random layers and the state of the optimizer."""
    pairs = zip(
        source.variables + source.optimizer.variables,
        target.variables + target.optimizer.variables,
        strict=True,
    )
    for ours, theirs in pairs:
        theirs.assign(ours.value)


def fit_model(
    model,
    train,
    validation,
    *,
    kind,
    make_twin,
    epochs,
    initial_epoch=0,
    callbacks=(),
    verbose=0,
):
    """Train a compiled model.

    Parameters
    ----------
    model : keras.Model
        Compiled model with a built optimizer.
    train, validation : Batches or None
        Images for training and for validation. Only `validation` may be None.
    kind : object
        Key of the twin in the pool, which all models share that have the same TensorFlow
        graph of a training step. None means that the twin is used only once.
    make_twin : callable or None
        Function that returns another compiled model with the same graph and a built
        optimizer. None means that the model itself is trained.
    epochs : int
        Number of epochs to train.
    initial_epoch : int, default=0
        Index of the first of these epochs.
    callbacks : sequence of keras.callbacks.Callback, default=()
        Keras callbacks.
    verbose : {0, 1, 2}, default=0
        Verbosity of Keras.
    """

    def fit(network):
        if network.train_function is None:
            _prepare(network, has_soft_labels=train.n_classes is not None)
        # If many models are fitted in one process, TensorFlow 2.21 mistakes their train
        # functions, each of which is traced once, for a single function.
        with silent_about_retracing("TensorFlowTrainer._make_function"):
            network.fit(
                train.dataset(),
                validation_data=None if validation is None else validation.dataset(),
                # Without this, Keras 3.15 would create two iterators in each epoch.
                steps_per_epoch=train.n_steps,
                epochs=initial_epoch + epochs,
                initial_epoch=initial_epoch,
                callbacks=[_Epochs(train), *callbacks],
                verbose=verbose,
                shuffle=False,  # the batches are in random order already
            )

    if make_twin is None:
        fit(model)
    else:
        lent = nullcontext(make_twin()) if kind is None else _pool.lend(kind, make_twin)
        try:
            with lent as twin:
                _copy_variables(model, twin)
                fit(twin)
                _copy_variables(twin, model)
        finally:
            for callback in callbacks:
                callback.set_model(model)


def _prepare(model, has_soft_labels):
    """Let TensorFlow 2.21 release the training graphs of a model together with the model.

    Otherwise TensorFlow keeps them until the process ends, which takes some MB per model.
    """
    # TensorFlow keeps graphs in which variables are created. Keras's metrics create their
    # variables when they are first called, so call them before a graph is traced.
    z = np.zeros((1, *model.output_shape[1:]), np.float32)
    model.compute_metrics(None, z if has_soft_labels else z[:, 0], z)
    # TensorFlow also keeps graphs that sum gradients over devices, which the optimizers of
    # Keras 3.15 do even for a single device. `list` returns the gradients unchanged.
    if not tf.distribute.has_strategy():
        model.optimizer._all_reduce_sum_gradients = list
