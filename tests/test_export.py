"""Networks as files for programs without octsk."""

import copy
import logging
import os
import sys

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from helpers import TINY, toy_images
from sklearn.exceptions import NotFittedError

from octsk import ResidualOCTNet, SmallOCTNet, make_oct_phantoms

X, y = toy_images()


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(path)
    return session.run(["probabilities"], {"images": images})[0]


def run_tflite(path, images):
    interpreter = tf.lite.Interpreter(str(path))
    return interpreter.get_signature_runner()(images=images)["probabilities"]


def run_saved_model(path, images):
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(images)["probabilities"].numpy()


RUN = {"onnx": run_onnx, "tflite": run_tflite, "saved_model": run_saved_model}

# Its interpreter now has a package of its own; TensorFlow's is the same.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")


@pytest.fixture(scope="module")
def net():
    """Small network whose probabilities are far from even, and far from its mirror's."""
    images = np.where(np.arange(12) < 6, X, 255 - X)
    net = SmallOCTNet(**{**TINY, "epochs": 3, "learning_rate": 0.03}).fit(images, y)
    return net.set_params(test_time_augmentation=True, class_prior=[0.7, 0.2, 0.1])


def check(net, images, path, format):
    net.export(path, format=format)
    for n in (1, 2, len(images)):
        found = RUN[format](path, images[:n].reshape(n, *net.image_shape_))
        expected = net.predict_proba(images[:n])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    return expected


@pytest.mark.parametrize("format", RUN)
def test_probabilities_are_the_estimator_s(net, tmp_path, format):
    check(net, X, tmp_path / "net", format)
    # Mirrored prediction and prior matter here, so that they could be missed.
    plain = copy.copy(net).set_params(test_time_augmentation=False)
    assert abs(plain.predict_proba(X) - net.predict_proba(X)).max() > 0.01
    plain = copy.copy(net).set_params(class_prior=None)
    assert abs(plain.predict_proba(X) - net.predict_proba(X)).max() > 0.01
    if format == "onnx":
        with pytest.raises(Exception, match="uint8"):
            run_onnx(tmp_path / "net", X[..., None] / np.float32(255))


@pytest.fixture(scope="module", params=[SmallOCTNet, ResidualOCTNet])
def default_net(request):
    images, labels = make_oct_phantoms(64, random_state=0, return_X_y=True)
    return request.param(random_state=0).initialize(images, labels), images


@pytest.mark.slow
@pytest.mark.parametrize("format", RUN)
def test_probabilities_of_default_nets(default_net, format, tmp_path):
    check(*default_net, tmp_path / "net", format)


@pytest.mark.parametrize("format", RUN)
def test_exports_leave_the_settings_of_the_process(net, tmp_path, monkeypatch, format):
    loggers = [logging.getLogger(name) for name in (None, "absl", "tensorflow")]
    # The handlers of pytest are there during the test only.
    with monkeypatch.context() as patched:
        patched.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
        # tf2onnx sets the variable when this module is imported.
        patched.delitem(sys.modules, "tf2onnx.convert", raising=False)
        patched.delitem(vars(tf2onnx), "convert", raising=False)
        patched.setattr(logging.root, "handlers", [])
        before = [(logger.level, *logger.handlers) for logger in loggers]
        net.export(tmp_path / "net", format=format)
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
        assert [(logger.level, *logger.handlers) for logger in loggers] == before


def test_bad_arguments(net, tmp_path):
    with pytest.raises(ValueError, match=r"format must be one of \['onnx', 's.*'pickle'"):
        net.export(tmp_path / "net", format="pickle")
    with pytest.raises(NotFittedError):
        SmallOCTNet().export(tmp_path / "net")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FileExistsError, match="already contains files"):
        net.export(tmp_path / "full", format="saved_model")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_missing_tf2onnx_is_said(net, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r'pip install "octsk\[export\]"'):
        net.export(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
