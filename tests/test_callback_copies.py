"""Callbacks: fresh for each fit, and linked with what is outside."""

import collections
import copy
import io
import logging
import pickle
import queue
import random
import sys
import threading
import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import sklearn
from helpers import TINY, toy_images
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from octsk import SmallOCTNet
from octsk.training._callback_copies import fresh
from octsk.training._callbacks import Onlooker

X, y = toy_images(24)


def net(*callbacks, **params):
    return SmallOCTNet(**{**TINY, "callbacks": list(callbacks), **params})


class Holder(keras.callbacks.Callback):
    """Holds whatever it is given, and counts what it has seen."""

    def __init__(self, **held):
        super().__init__()
        vars(self).update(held)
        self.seen = []
        self.by_epoch = collections.defaultdict(list)
        self.report = self.count

    def count(self, epoch):
        self.seen.append(epoch)
        self.by_epoch[epoch].append("seen")

    def on_epoch_end(self, epoch, logs=None):
        self.report(epoch)


def outside(tmp_path):
    """Return things that mean something only as the very objects they are."""
    return dict(
        lock=threading.Lock(),
        local=threading.local(),
        thread=threading.current_thread(),
        file=io.StringIO(),
        generator=(i for i in range(3)),
        queue=queue.Queue(),
        logger=logging.getLogger("octsk.test"),
        module=sys,
        function=print,
        method=queue.Queue().put,
        model=keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
        client=SimpleNamespace(socket=threading.Lock(), sent=[]),
        mapped=np.memmap(tmp_path / "mapped", mode="w+", shape=3),
        weak=weakref.WeakSet(),
    )


def test_what_is_outside_is_shared(tmp_path):
    held = outside(tmp_path)
    del held["model"]  # Keras's own name for the network in training
    given = Holder(**held, teacher=outside(tmp_path)["model"])
    fitted = net(given).fit(X, y)
    (used,) = fitted.callbacks_
    for name in [*held, "teacher"]:
        assert getattr(used, name) is getattr(given, name), name
    assert used.model is fitted.model_
    assert (used.seen, given.seen) == ([0], [])


def test_each_fit_begins_with_the_state_that_was_given():
    given = Holder(
        arrays={"a": [np.zeros(3)]},
        pair=collections.namedtuple("Pair", "a b")([1], (2, [3])),
        last=collections.deque([[1]], maxlen=4),
        numpy=np.random.default_rng(0),
        python=random.Random(0),
        names={"a"},
    )

    class Spoil(Onlooker):
        def on_epoch_end(self, epoch, logs=None):
            used = fitted.callbacks_[0]
            used.arrays["a"][0] += used.numpy.random() + used.python.random()
            used.arrays["a"].append(len(used.names))
            used.pair.a.append(0)
            used.pair.b[1].append(0)
            used.last[0].append(0)
            used.last.append(1)
            used.names.add(len(used.last))

    fitted = net(given, Spoil())
    states = []
    for _ in range(2):
        used = fitted.fit(X, y).callbacks_[0]
        states.append(repr([used.arrays, used.pair, used.last, used.names, used.by_epoch]))
    assert states[0] == states[1]
    assert "[1, 0]" in states[0]
    assert repr(given.pair) == "Pair(a=[1], b=(2, [3]))"
    assert (given.arrays["a"][0] == 0).all()
    assert given.last.maxlen == used.last.maxlen == 4
    assert given.seen == []


def test_callbacks_within_callbacks_are_fresh():
    inner = Holder()
    listed = keras.callbacks.CallbackList([inner, Holder(twin=inner, tell=inner.count)])
    fitted = net(listed, Holder(twin=inner)).fit(X, y)
    first, second = fitted.callbacks_[0].callbacks
    assert first.seen == [0]
    assert first is second.twin is fitted.callbacks_[1].twin is second.tell.__self__
    assert inner.seen == []


def test_classes_say_how_they_are_copied():
    class Itself(keras.callbacks.Callback):
        def __deepcopy__(self, memo):
            return self

    class NeverPickled(keras.callbacks.Callback):
        __slots__ = ("__hidden",)

        def __init__(self):
            super().__init__()
            self.__hidden = threading.Lock()

        def __getstate__(self):
            raise TypeError("not to be pickled")

        def hidden(self):
            return self.__hidden

    itself, slotted = Itself(), NeverPickled()
    assert fresh([itself])[0] is itself
    assert fresh(slotted) is not slotted
    assert fresh(slotted).hidden() is slotted.hidden()


def test_references_in_circles():
    given = Holder()
    given.circle = [given, (given.__dict__,)]
    copied = fresh(given)
    assert copied.circle[0] is copied is not given


@pytest.mark.parametrize(
    "again",
    [clone, lambda net: clone(make_pipeline(net))[-1], lambda net: clone(clone(net))],
    ids=["clone", "pipeline", "clones"],
)
def test_clones_are_linked_alike(again):
    given = net(Holder(lock=threading.Lock()))
    with sklearn.config_context(enable_metadata_routing=True):
        copied = again(given.set_fit_request(groups=False))
        assert copied.get_metadata_routing().fit.requests["groups"] is False
    assert copied.get_params().keys() == given.get_params().keys()
    assert copied.callbacks[0] is not given.callbacks[0]
    assert copied.callbacks[0].lock is given.callbacks[0].lock
    single = SmallOCTNet(callbacks=given.callbacks[0])
    assert clone(single).callbacks.lock is given.callbacks[0].lock


def test_deep_copies_of_a_fitted_network_are_linked_alike():
    given = Holder(lock=threading.Lock(), file=io.StringIO())
    fitted = net(given).fit(X, y)
    fitted.predict(X)
    before = {**vars(fitted)}
    copied = copy.deepcopy([fitted, fitted])
    assert vars(fitted) == before
    assert copied[0] is copied[1] is not fitted
    np.testing.assert_array_equal(copied[0].predict_proba(X), fitted.predict_proba(X))
    (used,) = copied[0].callbacks_
    assert used.lock is copied[0].callbacks[0].lock is given.lock
    assert used is not fitted.callbacks_[0]
    assert used.model is copied[0].model_ is not fitted.model_


def test_a_pickled_network_stays_as_it_is():
    fitted = net().fit(X, y)
    fitted.predict(X)
    before = {**vars(fitted)}
    pickle.dumps(fitted)
    assert vars(fitted) == before


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))]
)
def test_copies_draw_no_numbers_from_the_global_random_state(again):
    fitted = net(Holder()).fit(X, y)
    before = random.getstate()
    copied = again(fitted)
    assert random.getstate() == before
    assert vars(copied).keys() == fitted.__getstate__().keys()
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


def test_searches_with_a_callback_that_holds_a_lock():
    told = []
    watching = net(Holder(lock=threading.Lock(), tell=told.append))
    watching.callbacks.append(keras.callbacks.LambdaCallback(on_train_end=told.append))
    assert len(cross_val_score(watching, X, y, cv=2, error_score="raise")) == 2
    GridSearchCV(watching, {"epochs": [1]}, cv=2, error_score="raise").fit(X, y)
    assert len(told) == 2 + 3


def test_pruning_by_a_study_in_memory():
    optuna = pytest.importorskip("optuna")

    class Prune(keras.callbacks.Callback):
        def __init__(self, trial):
            super().__init__()
            self.trial = trial

        def on_epoch_end(self, epoch, logs=None):
            self.trial.report(logs["loss"] + (self.trial.number > 1), epoch)
            if epoch and self.trial.should_prune():
                raise optuna.TrialPruned

    nets = []

    def objective(trial):
        nets.append(net(Prune(trial), epochs=3))
        return nets[-1].fit(X, y).history_["loss"][-1]

    pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    study = optuna.create_study(pruner=pruner)
    study.optimize(objective, n_trials=3)
    states = [(t.state.name, len(t.intermediate_values)) for t in study.trials]
    assert states == [("COMPLETE", 3), ("COMPLETE", 3), ("PRUNED", 2)]
    assert (nets[2].n_iter_, nets[2].interrupted_) == (1, True)


def test_kerass_own_callbacks(tmp_path):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9, factor=0.5)
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=9, patience=2)
    csv = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss")
    watching = net(plateau, csv, best, stopping, epochs=9, learning_rate=0.1)
    for _ in range(2):
        assert watching.fit(X, y).n_iter_ == 3
        rate = float(watching.model_.optimizer.learning_rate)
        assert rate == pytest.approx(0.1 / 4)
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 3
        assert (tmp_path / "best.keras").is_file()
    assert stopping.best_weights is None
