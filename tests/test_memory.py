"""Memory: what a long search keeps, and a warning before a fit that needs a lot."""

import gc
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images

from octsk import ResidualOCTNet, SmallOCTNet
from octsk.training import _fit_model, _memory, _model_pool

X, y = toy_images(24)


def n_graphs():
    gc.collect()
    return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())


def test_no_graph_of_a_training_outlives_its_network(monkeypatch):
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool(size=0))
    SmallOCTNet(**TINY).fit(X, y)
    before = n_graphs()
    for params in (
        {},
        dict(mixup=0.2, optimizer="adamw", ema_momentum=0.5),
        dict(class_weight="balanced", early_stopping=True, dropout=0.5),
        dict(callbacks=[keras.callbacks.Callback()], optimizer="sgd"),
    ):
        SmallOCTNet(**{**TINY, **params}).fit(X[1:], y[1:]).predict(X)
    assert n_graphs() == before


MANY_KINDS = """
import sys
import octsk

X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
# Graphs without a hidden layer and Adam's moments are made in half the time.
params = dict(filters=(4,), dense_units=(), epochs=1, augmentation=None, optimizer="sgd")
for i in range(72):
    net = octsk.SmallOCTNet(dropout=i % 6 / 10, random_state=i, **params)
    net.fit(X, y).predict(X)
    if i % 4 == 3:
        print(int(open("/proc/self/statm").read().split()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux gives it")
def test_memory_stays_flat_over_many_kinds_of_nets():
    out = subprocess.run(
        [sys.executable, "-c", MANY_KINDS], check=True, capture_output=True, text=True
    ).stdout
    pages = [int(line) for line in out.split()]
    # What is collected now and then is there by the 36th fit.
    assert max(pages[9:]) < 1.1 * max(pages[:9])


# --- The warning -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "warned"), [(10**5, True), (10**12, False), (None, False)]
)
def test_a_fit_that_may_not_fit_into_memory_is_warned_of(available, warned, monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: available)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SmallOCTNet(**TINY).fit(X, y)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == warned
    if warned:
        assert "images of 12 x 12 pixels in batches of 24" in messages[0]
        assert "0.0 GB are available" in messages[0]


def test_nothing_is_said_where_a_gpu_trains(monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: 1)
    model = SmallOCTNet(**TINY).initialize(X, y).model_
    monkeypatch.setattr(_memory.tf.config, "list_physical_devices", lambda kind: [kind])
    _memory.warn_of_memory(model, (12, 12, 1), 24)  # a warning would be an error


def test_estimate_counts_outputs_of_a_batch_and_weights():
    images = np.zeros((2, 100, 100), np.uint8)
    small = SmallOCTNet(filters=(4,), dense_units=(), optimizer="sgd")
    model = small.initialize(images, [0, 1]).model_
    outputs = 98 * 98 * 4 + 2
    weights = (3 * 3 * 4 + 4) + (98 * 98 * 4 * 2 + 2)
    one, three = (_memory.estimate_bytes(model, n) for n in (1, 3))
    assert three - one == 2 * 4 * 4 * outputs
    state = one - 4 * 4 * outputs
    assert state == pytest.approx(3 * 4 * weights, abs=3 * 4 * 10)
    residual = ResidualOCTNet(filters=(4,)).initialize(images, [0, 1]).model_
    assert _memory.estimate_bytes(residual, 1) > 4 * 4 * 3 * 100 * 100 * 4


MEMINFO = "MemTotal:       24000000 kB\nMemAvailable:   16000000 kB\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"meminfo": "MemTotal: 1 kB\n"}, None),
        ({"meminfo": MEMINFO}, 16_384_000_000),
        ({"meminfo": MEMINFO, "memory.max": "max\n"}, 16_384_000_000),
        ({"meminfo": MEMINFO, "memory.max": "3000", "memory.current": "1000"}, 2000),
        ({"meminfo": MEMINFO, "memory.max": "3000", "memory.current": "3001"}, 0),
    ],
)
def test_available_memory(files, expected, monkeypatch, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory, "_CGROUP", tmp_path)
    assert _memory.available_bytes() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="known on Linux alone")
def test_available_memory_of_this_machine():
    assert Path("/proc/meminfo").is_file()
    assert 0 < _memory.available_bytes() < 2**50
