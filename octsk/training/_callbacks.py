"""Callbacks: the cosine schedule, averaged weights, progress, and reports per epoch."""

import math

from octsk.utils.tensorflow import keras

# Keras's steps per call: the cost of Python, paid once for many steps.
STEPS_PER_EXECUTION = 32


class Onlooker(keras.callbacks.Callback):
    """Base class of callbacks that observe the training without changing the network.

    Any other callback of an estimator has the steps executed one by one and the network
    compiled anew, which takes longer. An estimator works on copies of its callbacks; an
    onlooker stays the one it is, so that it can report to whoever sent it.
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
    """Return whether the parameter `callbacks` holds no callback but onlookers."""
    return all(isinstance(callback, Onlooker) for callback in given_callbacks(callbacks))


class EpochCallback(Onlooker):
    """Call a function after each epoch, with the estimator predicting as trained so far.

    Parameters
    ----------
    estimator : BaseOCTNet
        The estimator in training.
    function : callable
        Called with the number of epochs done; the training ends when it returns True.
    """

    def __init__(self, estimator, function):
        super().__init__()
        self.estimator = estimator
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        # The model in training may be a twin; the estimator predicts by its own.
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
        With methods ``steps(done, total)``, called now and then with the training steps
        done and those of all epochs, and ``epoch(done, total, logs)``, called after each
        epoch with Keras's logs.
    """

    def __init__(self, display):
        super().__init__()
        self.display = display
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params["steps"]
        # Keras counts an epoch's last execution as a full one.
        done = self._epoch * steps + min(batch + 1, steps)
        self.display.steps(done, self.params["epochs"] * steps)

    def on_epoch_end(self, epoch, logs=None):
        self.display.epoch(epoch + 1, self.params["epochs"], logs or {})


class CosineDecay(keras.callbacks.Callback):
    """Warm up the learning rate and decay it to 0 along a cosine over a fit.

    Set at every 32nd step, however many are executed at a time, so that neither the
    progress bar nor callbacks change a training.

    Parameters
    ----------
    epochs : int
        Epochs of the fit.
    warmup : float
        Share of the steps in which it rises from near 0.
    first_epoch : int
        Number of the first epoch of the fit.
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
        # In the middle between this setting and the next one.
        held = min(STEPS_PER_EXECUTION, self.params["steps"] - batch)
        done = (self._step + batch + held / 2) / total
        if done < self.warmup:
            return done / self.warmup
        falling = min(1.0, (done - self.warmup) / (1 - self.warmup))
        return 0.5 * (1 + math.cos(math.pi * falling))

    def on_train_end(self, logs=None):
        self.model.optimizer.learning_rate.assign(self._peak)


class AveragedWeights(keras.callbacks.Callback):
    """Swap the moving average of the weights in while other callbacks use the network.

    The optimizer keeps the average; validation and the callbacks after this one see it
    in the network, the training goes on from the weights themselves. (Keras 3.15's
    SwapEMAWeights loses the average where a training is stopped early.)
    """

    _trained = None

    def show(self):
        """Put the averages into the network unless they are already there."""
        if self._trained is None:
            variables = self.model.trainable_variables
            self._trained = [v.numpy() for v in variables]
            averages = self.model.optimizer._model_variables_moving_average
            for variable, average in zip(variables, averages, strict=True):
                variable.assign(average)

    def hide(self):
        """Put the weights back unless they are already there."""
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
