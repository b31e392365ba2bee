"""State of a training after its last complete epoch, to restore after an interruption."""

import keras


class WholeEpochs(keras.callbacks.Callback):
    """Keep the history of the complete epochs, and the state after the last one.

    It must be the last callback, since an epoch is complete when all other callbacks have
    processed its end.

    Parameters
    ----------
    model : keras.Model
        The network before the training, with a built optimizer.
    history : dict of str to list of float
        Losses and metrics of the epochs in a checkpoint.
    scheduled : bool
        Whether a schedule sets the learning rate. If so, `restore` resets it to its value
        before the training.
    stopping : keras.callbacks.EarlyStopping or None
        The callback that keeps the weights of the best epoch.

    Attributes
    ----------
    history : dict of str to list of float
        Losses and metrics of the complete epochs.
    """

    def __init__(self, model, history, *, scheduled, stopping):
        super().__init__()
        self._stopping = stopping
        self._rate = model.optimizer.learning_rate.numpy() if scheduled else None
        self._kept = self._state(model), {name: list(v) for name, v in history.items()}

    @property
    def history(self):
        return self._kept[1]

    def on_epoch_end(self, epoch, logs=None):
        history = {
            name: [*self.history.get(name, []), float(value)]
            for name, value in logs.items()
        }
        # A single assignment cannot be interrupted halfway.
        self._kept = self._state(self.model), history

    def restore(self, model):
        """Restore the state after the last complete epoch into a network."""
        (arrays, best_weights), _ = self._kept
        for variable, array in zip(_variables(model), arrays, strict=True):
            variable.assign(array)
        if self._rate is not None:
            model.optimizer.learning_rate.assign(self._rate)
        if best_weights is not None:
            model.set_weights(best_weights)

    def _state(self, model):
        # Keras makes a new list of arrays for each best epoch, so no copy is needed.
        best_weights = self._stopping.best_weights if self._stopping else None
        return [v.numpy() for v in _variables(model)], best_weights


def _variables(model):
    return model.variables + model.optimizer.variables
