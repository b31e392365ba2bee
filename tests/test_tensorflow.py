"""How TensorFlow starts, and what the settings of TensorFlow and Keras must not change."""

import io
import logging
import os
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, toy_images

import octsk
from octsk.classifiers import BaseOCTNet
from octsk.training import _fit_model, _model_pool
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


# --- Settings of the process --------------------------------------------------------------

X, y = toy_images(40)


@pytest.fixture
def settings():
    """Return Keras's settings, which are put back after the test."""
    config = keras.config
    before = config.floatx(), config.image_data_format(), config.dtype_policy()
    yield config
    config.set_floatx(before[0])
    config.set_image_data_format(before[1])
    config.set_dtype_policy(before[2])


def fit(net, **params):
    return getattr(octsk, net)(**{**TINY, **params}).fit(X, y)


@pytest.mark.parametrize("net", ["SmallOCTNet", "ResidualOCTNet"])
def test_networks_are_the_same_under_all_settings(net, settings, monkeypatch, tmp_path):
    plain = fit(net, dropout=0.2)
    proba = plain.predict_proba(X)
    plain.save(tmp_path / "net.octsk")
    # A twin of the fit before would be the old network.
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool())
    settings.set_image_data_format("channels_first")
    settings.set_dtype_policy("mixed_float16")
    settings.set_epsilon(1e-2)
    try:
        other = fit(net, dropout=0.2)
        again = octsk.load(tmp_path / "net.octsk")
    finally:
        settings.set_epsilon(1e-7)
    for ours, theirs in zip(
        plain.model_.get_weights(), other.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert other.history_ == plain.history_
    # Compiled anew after unpickling.
    del plain._forward
    for one in (plain, other, again):
        np.testing.assert_array_equal(one.predict_proba(X), proba)
    # The process keeps what it has set.
    assert settings.image_data_format() == "channels_first"
    assert settings.dtype_policy().name == "mixed_float16"


def test_layers_are_float32_in_one_thread_only(settings):
    settings.set_dtype_policy("mixed_bfloat16")
    seen = []

    def elsewhere():
        settings.set_dtype_policy("float64")
        seen.append(keras.layers.Dense(1).compute_dtype)

    with _tensorflow.float32_layers():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert keras.layers.Dense(1).compute_dtype == "float32"
    assert seen == ["float64"]
    assert keras.layers.Dense(1).compute_dtype == "bfloat16"


@pytest.mark.parametrize("floatx", ["float16", "float64"])
def test_another_floatx_is_refused_in_training_and_loading(floatx, settings, tmp_path):
    net = octsk.SmallOCTNet(**TINY).initialize(X, y)
    proba = net.predict_proba(X)
    net.save(tmp_path / "net.octsk")
    settings.set_floatx(floatx)
    words = (
        f"^octsk computes in float32 .* floatx is '{floatx}'. Call keras.config.set_floatx"
    )
    for call in (
        lambda: octsk.SmallOCTNet(**TINY).fit(X, y),
        lambda: net.partial_fit(X, y),
        lambda: octsk.load(tmp_path / "net.octsk"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    del net._forward
    np.testing.assert_array_equal(net.predict_proba(X), proba)


@pytest.mark.parametrize("name", ["max_epochs", "max_steps_per_epoch"])
def test_limits_of_all_trainings_are_refused(name):
    net = octsk.SmallOCTNet(**TINY).fit(X, y)
    # As the environment variable KERAS_MAX_EPOCHS sets it.
    set_limit = getattr(keras.config, f"set_{name}")
    set_limit(1)
    try:
        for call in (octsk.SmallOCTNet(**TINY).fit, net.partial_fit):
            with pytest.raises(ValueError, match=rf"Keras's {name} is 1, .* KERAS_MAX_"):
                call(X, y)
    finally:
        set_limit(None)
    net.partial_fit(X, y)


def test_a_distribution_strategy_is_refused_in_training():
    net = octsk.SmallOCTNet(**TINY).initialize(X, y)
    proba = net.predict_proba(X)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        for call in (octsk.SmallOCTNet(**TINY).fit, net.partial_fit):
            with pytest.raises(ValueError, match=r"octsk trains on one device .* strategy"):
                call(X, y)
        np.testing.assert_array_equal(net.predict_proba(X), proba)


def test_training_is_refused_while_gradients_are_recorded():
    net = octsk.SmallOCTNet(**TINY).fit(X, y)
    proba = net.predict_proba(X)
    variable = tf.Variable(1.0)
    forward = tf.autodiff.ForwardAccumulator(variable, tf.ones([]))
    for scope in (tf.GradientTape(), forward):
        with scope:
            for call in (octsk.SmallOCTNet(**TINY).fit, net.partial_fit):
                with pytest.raises(ValueError, match=r"octsk cannot train .*Tape"):
                    call(X, y)
            np.testing.assert_array_equal(net.predict_proba(X), proba)
    assert not net.interrupted_
    assert net.partial_fit(X, y).n_iter_ == 2


def test_stateless_scopes_are_refused(tmp_path):
    net = octsk.SmallOCTNet(**TINY).fit(X, y)
    proba = net.predict_proba(X)
    net.save(tmp_path / "net.octsk")
    with keras.StatelessScope():
        for call in (
            lambda: octsk.SmallOCTNet(**TINY).fit(X, y),
            lambda: net.partial_fit(X, y),
            lambda: net.predict(X),
            lambda: octsk.load(tmp_path / "net.octsk"),
        ):
            with pytest.raises(ValueError, match=r"octsk changes .*StatelessScope"):
                call()
    assert not net.interrupted_
    np.testing.assert_array_equal(net.predict_proba(X), proba)


def test_graphs_are_refused(tmp_path):
    net = octsk.SmallOCTNet(**TINY).initialize(X, y)
    augmenter = octsk.OCTAugmenter()
    with tf.Graph().as_default():
        for call in (
            lambda: octsk.SmallOCTNet(**TINY).fit(X, y),
            lambda: net.predict(X),
            lambda: augmenter.fit_transform(X),
            lambda: net.export(tmp_path / "net", format="saved_model"),
        ):
            with pytest.raises(ValueError, match=r"octsk needs .* eager execution"):
                call()


@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
def test_functions_that_run_eagerly_train_the_same(monkeypatch):
    plain = fit("SmallOCTNet")
    varied = octsk.OCTAugmenter(random_state=0).fit_transform(X)
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool())
    tf.config.run_functions_eagerly(True)
    try:
        other = fit("SmallOCTNet")
        np.testing.assert_array_equal(
            octsk.OCTAugmenter(random_state=0).fit_transform(X), varied
        )
    finally:
        tf.config.run_functions_eagerly(False)
    # Sums are made in another order.
    np.testing.assert_allclose(
        other.predict_proba(X), plain.predict_proba(X), rtol=1e-4, atol=1e-5
    )


def test_architectures_of_users_need_channels_last(settings):
    def own(input_shape, n_classes, **_):
        model = keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(2, 3)])
        model.add(keras.layers.Flatten())
        model.add(keras.layers.Dense(n_classes))
        return model

    class OwnNet(BaseOCTNet, architecture=own):
        pass

    settings.set_dtype_policy("mixed_float16")
    model = OwnNet(epochs=1).initialize(X, y).model_
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    settings.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match=r"set_image_data_format\('channels_last'\)"):
        OwnNet(epochs=1).initialize(X, y)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    words = (
        r"Keras has the backend 'torch'\. .* KERAS_BACKEND, .* set KERAS_BACKEND=tensorflow"
    )
    with pytest.raises(ImportError, match=words):
        _tensorflow.__getattr__("keras")


OTHER_SETTINGS = """
import numpy as np
{first}
import octsk
X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
net = octsk.ResidualOCTNet(filters=(4,), epochs=2, random_state=0).fit(X, y)
print(net.model_.count_params(), net.predict_proba(X[:3]).round(4).tolist())
"""


def run(first="", **environment):
    return subprocess.run(
        [sys.executable, "-c", OTHER_SETTINGS.format(first=first)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_settings_that_cannot_be_undone():
    plain = run()
    assert plain.returncode == 0, plain.stderr
    first = """
import keras, tensorflow as tf
keras.utils.set_random_seed(3)
tf.config.experimental.enable_op_determinism()
tf.data.experimental.enable_debug_mode()
tf.experimental.numpy.experimental_enable_numpy_behavior()
tf.config.set_soft_device_placement(False)
"""
    other = run(first)
    assert other.stdout == plain.stdout, other.stderr
    legacy = run(TF_USE_LEGACY_KERAS="1")
    assert legacy.stdout == plain.stdout, legacy.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["KERAS_BACKEND", "KERAS_HOME"])
def test_backend_that_is_not_there(name, tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "warp"}')
    result = run(**{name: "warp" if name == "KERAS_BACKEND" else str(tmp_path)})
    assert result.returncode == 1
    *_, last = result.stderr.splitlines()
    assert last.startswith("ImportError: octsk needs TensorFlow as the backend of Keras: ")
    assert "warp" in last
    assert last.endswith("set KERAS_BACKEND=tensorflow before anything imports Keras.")
