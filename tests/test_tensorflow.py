"""TensorFlow starts in silence, and what is worth reading is still shown."""

import io
import logging
import os
import subprocess
import sys
import threading

import pytest

from octsk.utils import tensorflow as _tensorflow

CARD = "E0000 00:00:1795516398.68 8085 cuda_platform.cc:52] failed call to cuInit: 303\n"


@pytest.mark.parametrize(
    ("line", "with_card", "without"),
    [
        ("I0000 00:00:1795516398.68 8085 port.cc:153] oneDNN is on.\n", False, False),
        ("2025-08-01 10:00:00.000000: I tensorflow/core/x.cc:1] AVX2\n", False, False),
        ("WARNING: All log messages before absl::InitializeLog()\n", False, False),
        (CARD, True, False),
        ("2025-08-01 10:00:00.000000: E a/cuda/cuda_dnn.cc:1] no\n", True, False),
        ("W0000 00:00:1795516398.68 8085 cpu_allocator_impl.cc:8] memory\n", True, True),
        ("x.py:1: UserWarning: a plugin is broken\n", True, True),
    ],
)
def test_sieve(line, with_card, without, monkeypatch, tmp_path):
    monkeypatch.setattr(_tensorflow, "_CARDS", (tmp_path,))
    assert _tensorflow._is_worth_reading(line) is with_card
    monkeypatch.setattr(_tensorflow, "_CARDS", (tmp_path / "none",))
    assert _tensorflow._is_worth_reading(line) is without


def test_program_without_stderr(monkeypatch):
    def dup(number):
        raise OSError("bad file descriptor")

    monkeypatch.setattr(os, "dup", dup)
    with _tensorflow._stderr_sifted():
        pass


def test_program_with_closed_stderr(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        with _tensorflow._stderr_sifted():
            pass


def test_silence_about_retracing_is_of_one_function_and_one_thread(caplog):
    logger = logging.getLogger("tensorflow")
    filters = list(logger.filters)

    def said(words):
        caplog.clear()
        caplog.handler.setLevel(logging.WARNING)
        logger.addHandler(caplog.handler)  # TensorFlow's own does not hand on
        try:
            logger.warning(words)
        finally:
            logger.removeHandler(caplog.handler)
        return words in caplog.text

    with _tensorflow.silent_about_retracing("ours"):
        assert not said("retracing of ours")
        assert said("retracing of another")
        heard = []
        other = threading.Thread(target=lambda: heard.append(said("retracing of ours")))
        other.start()
        other.join()
        assert heard == [True]
        # One that ends earlier does not let the warnings of the other through.
        with _tensorflow.silent_about_retracing("ours"):
            pass
        assert not said("retracing of ours")
    assert said("retracing of ours")
    assert logger.filters == filters


PROGRAM = """
import sys, warnings
import octsk
{first}
X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
octsk.SmallOCTNet(epochs=1, filters=(4,), random_state=0).fit(X, y).predict(X)
print("fitted", file=sys.stderr, flush=True)
import tensorflow as tf
try:
    tf.linalg.cholesky([[-1.0]])
except tf.errors.InvalidArgumentError:
    pass
warnings.warn("of Python")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    ["import octsk.inspection", "octsk.OCTAugmenter().fit_transform([[[0.0]]])"],
)
def test_fit_is_silent_and_warnings_are_seen(first):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=True,
    )
    before, after = result.stderr.split("fitted\n")
    assert before == ""
    assert result.stdout == ""
    assert "Cholesky decomposition was not successful" in after
    assert "UserWarning: of Python" in after
