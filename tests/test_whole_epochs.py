"""Trainings that an exception ends early, and what is kept of them."""

import signal

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.exceptions import NotFittedError

import octsk
from octsk import SmallOCTNet
from octsk.training import _fit_model, _model_pool
from octsk.training._callbacks import Onlooker

X, y = toy_images(40)
X_VAL, Y_VAL = toy_images(12, seed=1)


class Pruned(Exception):  # noqa: N818
    """Stands for optuna.TrialPruned and whatever else a callback may raise."""


def ending(base, event, epoch, error):
    """Return a callback that raises an error at an event of an epoch."""

    class End(base):
        epoch = None

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            self.end_at("on_epoch_begin")

        def on_train_batch_end(self, batch, logs=None):
            self.end_at("on_train_batch_end")

        def on_test_end(self, logs=None):
            self.end_at("on_test_end")

        def on_epoch_end(self, epoch, logs=None):
            self.end_at("on_epoch_end")

        def on_train_end(self, logs=None):
            self.end_at("on_train_end")

        def end_at(self, now):
            if (now, self.epoch) == (event, epoch):
                raise error

    return End()


def net(**params):
    return SmallOCTNet(**{**TINY, "epochs": 4, **params})


def state(net):
    """Return everything that a fit leaves, variables as bytes."""
    variables = [*net.model_.weights, *net.model_.optimizer.variables]
    return [net.history_, net.n_iter_, net.class_prior_.round(6).tolist()] + [
        v.numpy().tobytes() for v in variables
    ]


def interrupt(net, *args, **kwargs):
    with pytest.raises((KeyboardInterrupt, Pruned)):
        net.fit(*args, **kwargs)
    return net


def watched(epoch, event="on_epoch_begin", base=Onlooker):
    return [ending(base, event, epoch, Pruned())]


@pytest.mark.parametrize("base", [Onlooker, keras.callbacks.Callback])
@pytest.mark.parametrize(
    ("event", "epoch", "n_whole"),
    [
        ("on_epoch_begin", 2, 2),
        ("on_train_batch_end", 2, 2),
        ("on_test_end", 1, 1),
        ("on_epoch_end", 1, 1),
        ("on_train_end", 3, 4),
    ],
)
def test_whole_epochs_are_kept(event, epoch, n_whole, base):
    validation = dict(X_val=X_VAL, y_val=Y_VAL)
    ended = net(callbacks=watched(epoch, event, base), class_weight="balanced")
    interrupt(ended, X, y, **validation)
    whole = net(epochs=n_whole, class_weight="balanced").fit(X, y, **validation)
    assert state(ended) == state(whole)
    assert (ended.interrupted_, whole.interrupted_) == (True, False)
    np.testing.assert_array_equal(ended.predict_proba(X), whole.predict_proba(X))
    assert ended.callbacks_[0].model is ended.model_


def test_ctrl_c():
    class Signal(Onlooker):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                signal.raise_signal(signal.SIGINT)

    # A process that was started in the background ignores the signal by default.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ended = interrupt(net(callbacks=[Signal()]), X, y)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert state(ended) == state(net(epochs=3).fit(X, y))


def test_averaged_weights_are_those_of_the_last_whole_epoch():
    ended = interrupt(net(ema_momentum=0.5, callbacks=watched(2)), X, y)
    assert state(ended) == state(net(ema_momentum=0.5, epochs=2).fit(X, y))


def test_early_stopping_keeps_the_best_epoch_so_far():
    # Labels that mean nothing: the validation loss soon rises.
    params = dict(early_stopping=True, n_iter_no_change=50, learning_rate=0.03, epochs=30)
    labels = np.random.default_rng(0).permutation(y)
    validation = dict(X_val=X_VAL, y_val=Y_VAL)
    ended = interrupt(net(**params, callbacks=watched(20)), X, labels, **validation)
    losses = ended.history_["val_loss"]
    best = int(np.argmin(losses)) + 1
    assert best < len(losses) == ended.n_iter_ == 20
    at_best = net(**{**params, "epochs": best}).fit(X, labels, **validation)
    np.testing.assert_array_equal(ended.predict_proba(X), at_best.predict_proba(X))


def test_schedule_gives_the_learning_rate_back():
    seen = []

    class See(Onlooker):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.get_weights())

    params = dict(learning_rate_schedule="cosine", learning_rate=0.02)
    ended = interrupt(net(**params, callbacks=[See(), *watched(2)]), X, y)
    for found, expected in zip(ended.model_.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert float(ended.model_.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("event", ["on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("base", [Onlooker, keras.callbacks.Callback])
def test_not_fitted_where_no_epoch_is_whole(event, base):
    ended = interrupt(net(callbacks=watched(0, event, base)), X, y)
    with pytest.raises(NotFittedError):
        ended.predict(X)


@pytest.mark.parametrize("base", [Onlooker, keras.callbacks.Callback])
def test_further_training_leaves_it_as_it_was(base):
    fitted = net(epochs=2).fit(X, y)
    before = state(fitted)
    fitted.set_params(callbacks=watched(2, "on_epoch_end", base))
    with pytest.raises(Pruned):
        fitted.partial_fit(X[:20], y[:20])
    assert state(fitted) == before
    assert fitted.interrupted_
    assert not fitted.set_params(callbacks=None).partial_fit(X, y).interrupted_
    assert state(fitted) == state(net(epochs=3).fit(X, y))


def test_warm_start_goes_on_from_the_whole_epochs():
    ended = interrupt(net(warm_start=True, callbacks=watched(3)), X, y)
    ended.set_params(callbacks=None, epochs=1).fit(X, y)
    assert state(ended) == state(net().fit(X, y))


def test_the_same_fit_goes_on_from_its_checkpoint(tmp_path):
    ended = net(checkpoint_dir=tmp_path, callbacks=watched(2))
    expected = state(net().fit(X, y))
    interrupt(ended, X, y)
    assert state(ended) == state(net(epochs=2).fit(X, y))
    seen = []

    class See(Onlooker):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(epoch)

    # Interrupted once more, before the first epoch of the second process is whole.
    interrupt(ended.set_params(callbacks=watched(2, "on_epoch_end")), X, y)
    assert state(ended) == state(net(epochs=2).fit(X, y))
    assert state(ended.set_params(callbacks=[See()]).fit(X, y)) == expected
    assert seen == [2, 3]


def test_interrupted_network_is_not_lent_again(monkeypatch):
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool(4))
    expected = state(net().fit(X, y))
    interrupt(net(callbacks=watched(1, "on_train_batch_end"), random_state=1), X, y)
    assert not _fit_model._pool._idle
    assert state(net().fit(X, y)) == expected


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_epochs_that_diverged_are_not_kept():
    diverged = net(optimizer="sgd", learning_rate=1e39, callbacks=watched(2))
    with pytest.raises(NotFittedError):
        interrupt(diverged, X, y).predict(X)


def test_files_say_that_it_was_interrupted(tmp_path):
    ended = interrupt(net(callbacks=watched(2)), X, y).set_params(callbacks=None)
    ended.save(tmp_path / "net.octsk")
    loaded = octsk.load(tmp_path / "net.octsk")
    assert (loaded.interrupted_, loaded.n_iter_) == (True, 2)
    assert not net().initialize(X, y).interrupted_
