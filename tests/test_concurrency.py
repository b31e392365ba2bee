"""Several threads and processes at once: each gets what it would get alone."""

import os
import pickle
import random
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
from helpers import TINY, toy_images

import octsk
from octsk import OCTAugmenter, SmallOCTNet

N_THREADS = 8

X, y = toy_images()
# Of two kinds, so that some share a compiled twin and some do not; with all that draws
# random numbers.
NETS = [
    dict(
        random_state=seed,
        dropout=0.5,
        epochs=1,
        batch_size=8,
        optimizer=("adam", "sgd")[seed % 2],
        augmentation=OCTAugmenter(rotation_range=20),
    )
    for seed in range(3)
]


def fit(params):
    """Return the weights, scores and history of a new network."""
    net = SmallOCTNet(**{**TINY, **params}).fit(X, y)
    weights = np.concatenate([w.ravel() for w in net.model_.get_weights()])
    return weights, net.predict_proba(X), net.history_


def assert_same(found, expected):
    for (weights, scores, history), (w, s, h) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(weights, w)
        np.testing.assert_array_equal(scores, s)
        assert history == h


def at_once(calls):
    """Call each in a thread of its own, all at the same moment; return the results."""
    barrier = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(i):
        barrier.wait()
        try:
            results[i] = calls[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@pytest.fixture(scope="module")
def fitted():
    return SmallOCTNet(**{**TINY, "dropout": 0.5, "test_time_augmentation": True}).fit(X, y)


@pytest.fixture(scope="module")
def alone():
    """Return what the fits give one after the other."""
    return [fit(params) for params in NETS]


# Batches of several sizes, integers and floats: each is compiled at its first call.
BATCHES = [X[i : i + 1 + 7 * (i % 3)] / (255 if i % 2 else 1) for i in range(N_THREADS)]
BATCHES = [b if i % 2 else b.astype(np.uint8) for i, b in enumerate(BATCHES)]


@pytest.mark.parametrize("origin", ["fitted", "loaded", "unpickled"])
def test_one_estimator_predicts_in_eight_threads(origin, fitted, tmp_path):
    expected = [fitted.predict_proba(batch) for batch in BATCHES]
    net = fitted
    # These have no compiled forward pass yet.
    if origin == "unpickled":
        net = pickle.loads(pickle.dumps(fitted))
    if origin == "loaded":
        fitted.save(tmp_path / "net.octsk")
        net = octsk.load(tmp_path / "net.octsk")
    for _ in range(3):
        found = at_once([lambda b=batch: net.predict_proba(b) for batch in BATCHES])
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_fits_in_threads_do_not_disturb_each_other(alone):
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    states = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert_same(at_once([lambda p=params: fit(p) for params in NETS]), alone)
    after = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert after == states


@pytest.mark.slow
def test_predictions_while_another_network_trains(fitted, alone):
    expected = fitted.predict_proba(X)
    calls = [lambda: fit(NETS[0])] + 3 * [
        lambda: [fitted.predict_proba(X) for _ in range(5)]
    ]
    trained, *predicted = at_once(calls)
    assert_same([trained], alone[:1])
    for scores in predicted:
        np.testing.assert_array_equal(scores, [expected] * 5)


@pytest.mark.slow
def test_files_are_read_in_threads(fitted, tmp_path):
    expected = fitted.predict_proba(X)
    for i in range(4):
        fitted.save(tmp_path / f"{i}.octsk")
    loaded = at_once([lambda i=i: octsk.load(tmp_path / f"{i}.octsk") for i in range(4)])
    for net in loaded:
        np.testing.assert_array_equal(net.predict_proba(X), expected)


@pytest.mark.slow
def test_fits_in_worker_processes_do_not_disturb_each_other(alone):
    parallel = joblib.Parallel(n_jobs=2, backend="loky")
    # Each worker has several, in whatever order.
    assert_same(parallel(joblib.delayed(fit)(params) for params in NETS), alone)


ONE_THREAD = """
import sys
import numpy as np
from octsk import SmallOCTNet
from octsk.augmentation import _warp
if sys.argv[1] == "without XLA":
    _warp._has_xla = lambda: False
X = np.arange(90 * 49, dtype=np.uint8).reshape(90, 7, 7)
net = SmallOCTNet(filters=(2,), epochs=2, mixup=0.2, augmentation=True, early_stopping=True)
print(len(net.fit(X, np.arange(90) % 3).history_["loss"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("xla", ["with XLA", "without XLA"])
def test_fit_where_tensorflow_has_one_thread(xla):
    # The data set holds the thread while it prepares images, and must not wait for it.
    out = subprocess.run(
        [sys.executable, "-c", ONE_THREAD, xla],
        env={**os.environ, "TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert out.stdout == "2\n", out.stderr
