"""A display looks on, and changes nothing."""

import io
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from rich.console import Console

from octsk import SmallOCTNet
from octsk.cli._progress import TrainingDisplay
from octsk.training._callbacks import STEPS_PER_EXECUTION, ProgressCallback

X, Y = toy_images()
# 50 steps an epoch: one full execution and one that is not.
SETTINGS = {**TINY, "epochs": 2, "batch_size": 1}
TRAIN = {"X": X[:50], "y": Y[:50]}


class Log:
    """A display that writes down what it is told."""

    def __init__(self):
        self.told = []

    def steps(self, done, total):
        self.told.append((done, total))

    def epoch(self, done, total, logs):
        self.told.append(("epoch", done, total, sorted(logs)))


def test_callback_tells_steps_and_epochs():
    log = Log()
    SmallOCTNet(callbacks=ProgressCallback(log), **SETTINGS).fit(**TRAIN)
    figures = ["accuracy", "loss"]
    assert log.told == [
        *((32, 100), (50, 100), ("epoch", 1, 2, figures)),
        *((82, 100), (100, 100), ("epoch", 2, 2, figures)),
    ]


def test_callback_alone_does_not_slow_the_training():
    def steps_per_execution(callbacks):
        net = SmallOCTNet(callbacks=callbacks, **TINY).fit(**TRAIN)
        return net.model_.steps_per_execution

    watching, other = ProgressCallback(Log()), keras.callbacks.Callback()
    assert steps_per_execution([watching]) == STEPS_PER_EXECUTION
    assert steps_per_execution([watching, other]) == 1


def test_watched_training_is_the_same_and_leaves_no_trace():
    plain = SmallOCTNet(**SETTINGS).fit(**TRAIN)
    net = SmallOCTNet(**SETTINGS)
    splits = SimpleNamespace(
        train=SimpleNamespace(data=X[:50], target=Y[:50]),
        val=SimpleNamespace(data=X[50:], target=Y[50:]),
    )
    out = io.StringIO()
    with TrainingDisplay(Console(file=out, width=200)) as display:
        display.train(net, splits, "tiny")
    assert np.array_equal(net.predict_proba(X), plain.predict_proba(X))
    assert net.get_params() == plain.get_params()
    first, second = out.getvalue().splitlines()
    assert first.startswith("tiny, epoch 1/2: loss ")
    assert "validation accuracy" in first
    assert first.endswith(" s left")
    assert second.startswith("tiny, epoch 2/2: loss ")


def test_terminal_gets_a_bar_that_goes_and_lines_that_stay():
    out = io.StringIO()
    report = SimpleNamespace(metrics={"acc": 0.75, "auc": 0.5}, fit_seconds=61.2)
    event = {"net": "tiny", "seed": 4, "index": 1, "total": 3}
    net = SmallOCTNet(**TINY)
    with TrainingDisplay(Console(file=out, width=200, force_terminal=True)) as display:
        display.on_event("fit_start", estimator=net, **event)
        display.steps(10, 20)
        display.epoch(1, 2, {"accuracy": 0.625, "loss": 1.0})
        display.steps(15, 20)
        display.on_event("fit_end", estimator=net, **event)
        display.on_event("evaluated", report=report, **event)
    assert net.callbacks is None
    shown = out.getvalue()
    assert "tiny, seed 4 (2 of 3)" in shown
    assert "75 %" in shown
    assert "left; epoch 1/2: accuracy 0.625" in shown
    line = "tiny, seed 4: ACC 0.750, AUC 0.500 on the test split, trained in 61 s"
    assert line in shown
    # The last thing done is to wipe the bar's line.
    assert shown.rstrip().endswith("\x1b[2K")


@pytest.mark.parametrize("names", [["a", "b"], []])
def test_class_names_must_fit_the_classes(names, tmp_path):
    net = SmallOCTNet(**TINY).fit(**TRAIN)
    with pytest.raises(ValueError, match="class_names must be 3 names"):
        net.save(tmp_path / "m.octsk", class_names=names)
    assert list(tmp_path.iterdir()) == []


def test_time_left_of_a_training_that_goes_on(monkeypatch):
    now = iter([0.0, 10.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    out = io.StringIO()
    display = TrainingDisplay(Console(file=out))
    display.watch(SmallOCTNet(), "small")
    display.epoch(9, 12, {"loss": 1.0})
    assert "epoch 9/12: loss 1.000; 30 s left" in out.getvalue()
