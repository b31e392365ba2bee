"""Callbacks: the cosine schedule, averaged weights, progress, and reports per epoch."""

import math

from octsk.utils.tensorflow import keras

# Number of training steps that Keras runs in one call of TensorFlow. This reduces the time
# that is spent in Python.
STEPS_PER_EXECUTION = 32


class Onlooker(keras.callbacks.Callback):
    """Base class of callbacks that observe the training without changing the network.

    With any other callback, Keras executes the steps one by one, and the network is
    compiled anew for each fit, which takes longer. Estimators do not copy onlookers, unlike
    all other callbacks, so that an onlooker can report to the object that created it.
    """

    def __deepcopy__(self, memo):
        return self


def given_callbacks(callbacks):
    """Return the parameter `callbacks` of an estimator as a list."""
    if callbacks is None:
        return []
    single = isinstance(callbacks, keras.callbacks.Callback)
    return [callbacks] if single else list(callbacks)


def only_onlookers(callbacks):
    """Return whether all callbacks in the parameter `callbacks` are onlookers."""
    return all(isinstance(callback, Onlooker) for callback in given_callbacks(callbacks))


class EpochCallback(Onlooker):
    """Call a function after each epoch, when the estimator can predict.

    Parameters
    ----------
    estimator : BaseOCTNet
        The estimator in training.
    function : callable
        Function that is called with the number of completed epochs. If it returns True, the
        training ends.
    """

    def __init__(self, estimator, function):
        super().__init__()
        self.estimator = estimator
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        # The model in training may be a twin of the model by which the estimator predicts.
        pairs = zip(self.model.weights, self.estimator.model_.weights, strict=True)
        for trained, own in pairs:
            own.assign(trained.value)
        self.estimator.n_iter_ = epoch + 1
        if self.function(epoch + 1):
            self.model.stop_training = True


class ProgressCallback(Onlooker):
    """Report the progress of a training to a display after each execution of steps.

    Parameters
    ----------
    display : object
        Object with two methods. ``steps(done, total)`` is called from time to time with the
        number of completed steps and the total number of steps in all epochs.
        ``epoch(done, total, logs)`` is called after each epoch with the corresponding
        numbers of epochs and Keras's logs.
    """

    def __init__(self, display):
        super().__init__()
        self.display = display
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params["steps"]
        # Keras counts the last execution of an epoch as if it had all its steps.
        done = self._epoch * steps + min(batch + 1, steps)
        self.display.steps(done, self.params["epochs"] * steps)

    def on_epoch_end(self, epoch, logs=None):
        self.display.epoch(epoch + 1, self.params["epochs"], logs or {})


class CosineDecay(keras.callbacks.Callback):
    """Warm up the learning rate and decay it to 0 along a cosine over a fit.

    The rate is set at every 32nd step, regardless of how many steps Keras executes at a
    time, so that the result depends neither on the progress bar nor on other callbacks.

    Parameters
    ----------
    epochs : int
        Number of epochs of the fit.
    warmup : float in [0, 1)
        Fraction of the steps during which the rate rises linearly from near 0.
    first_epoch : int
        Index of the first epoch of the fit, which is not 0 in further training.
    """

    def __init__(self, epochs, warmup, first_epoch):
        super().__init__()
        self.epochs = epochs
        self.warmup = warmup
        self.first_epoch = first_epoch

    def on_train_begin(self, logs=None):
        self._peak = float(self.model.optimizer.learning_rate.value)

    def on_epoch_begin(self, epoch, logs=None):
        self._step = (epoch - self.first_epoch) * self.params["steps"]

    def on_train_batch_begin(self, batch, logs=None):
        if batch % STEPS_PER_EXECUTION == 0:
            self.model.optimizer.learning_rate.assign(self._peak * self._factor(batch))

    def _factor(self, batch):
        total = self.epochs * self.params["steps"]
        # Use the value of the schedule in the middle of the steps for which the rate is
        # held.
        held = min(STEPS_PER_EXECUTION, self.params["steps"] - batch)
        done = (self._step + batch + held / 2) / total
        if done < self.warmup:
            return done / self.warmup
        falling = min(1.0, (done - self.warmup) / (1 - self.warmup))
        return 0.5 * (1 + math.cos(math.pi * falling))

    def on_train_end(self, logs=None):
        self.model.optimizer.learning_rate.assign(self._peak)


class AveragedWeights(keras.callbacks.Callback):
    """Replace the weights by their moving average for validation and later callbacks.

    The optimizer computes the average. This callback puts it into the network during
    validation, and from the end of each epoch to the beginning of the next one. Training
    continues from the weights themselves. Keras 3.15's SwapEMAWeights is not used, since it
    loses the average if a training is stopped early.
    """

    _trained = None

    def show(self):
        """Put the averages into the network, unless they are there already."""
        if self._trained is None:
            variables = self.model.trainable_variables
            self._trained = [v.numpy() for v in variables]
            averages = self.model.optimizer._model_variables_moving_average
            for variable, average in zip(variables, averages, strict=True):
                variable.assign(average)

    def hide(self):
        """Put the weights back into the network, unless they are there already."""
        if self._trained is not None:
            for variable, own in zip(
                self.model.trainable_variables, self._trained, strict=True
            ):
                variable.assign(own)
            self._trained = None

    def on_test_begin(self, logs=None):
        self.show()

    def on_test_end(self, logs=None):
        self.hide()

    def on_epoch_end(self, epoch, logs=None):
        self.show()

    def on_epoch_begin(self, epoch, logs=None):
        self.hide()
