import copy
import gc
import inspect
import io
import pickle
import random
import re
import subprocess
import sys
import tracemalloc
import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
import tensorflow as tf
from helpers import NETS, TINY, has_avx512, toy_images
from scikeras.wrappers import KerasClassifier
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from octsk import (
    LargeOCTNet,
    MediumOCTNet,
    OCTAugmenter,
    ResidualOCTNet,
    SmallOCTNet,
)
from octsk.classifiers import BaseOCTNet
from octsk.training import OPTIMIZERS, _batches, _fit_model, _model_pool

X, y = toy_images()
X_VAL, Y_VAL = toy_images(n=24, seed=1)
NAMES = np.array(["CNV", "DME", "NORMAL"])[y]
METHODS = ["predict", "predict_proba", "decision_function"]


# Learns the toy images in a few steps.
QUICK = dict(filters=(8,), dense_units=(16,), epochs=6, batch_size=8, learning_rate=0.01)


def net(**params):
    return SmallOCTNet(**{**TINY, **params})


def weights(estimator):
    return np.concatenate([w.ravel() for w in estimator.model_.get_weights()])


@pytest.fixture(scope="module")
def fitted():
    """Estimator that knows the toy images; not to be changed."""
    return net(**QUICK, augmentation=None).fit(X, NAMES)


@pytest.fixture(scope="module")
def reference():
    """Estimator with the parameters of `net()`; not to be changed."""
    return net().fit(X, y)


@pytest.fixture
def fit_calls(monkeypatch):
    """List of the arguments of each training: train, validation and so on."""
    calls = []

    def spy(model, train, validation, **others):
        calls.append(dict(train=train, validation=validation, **others))
        return _fit_model.fit_model(model, train, validation, **others)

    monkeypatch.setattr("octsk.training._fit_estimator.fit_model", spy)
    return calls


# --- The report's estimators -----------------------------------------------------------

COMMON = dict(
    dropout=0.0,
    learning_rate=None,
    batch_size=32,
    augmentation=True,
    class_weight=None,
    early_stopping=False,
    callbacks=None,
    warm_start=False,
    random_state=None,
    verbose=0,
    # What the report did not have is off.
    learning_rate_schedule=None,
    warmup_fraction=0.0,
    weight_decay=None,
    mixup=0.0,
    label_smoothing=0.0,
    ema_momentum=None,
    class_prior=None,
    test_time_augmentation=False,
    precision="float32",
    checkpoint_dir=None,
    init_from=None,
    freeze=None,
)
MEDIUM = dict(filters=(128, 512, 1024), dense_units=(256, 128), epochs=5)
DEFAULTS = {
    SmallOCTNet: dict(filters=(32, 32), dense_units=(64,), epochs=6, optimizer="adam"),
    MediumOCTNet: dict(**MEDIUM, optimizer="nadam"),
    LargeOCTNet: dict(**MEDIUM, optimizer="adam"),
}


@pytest.mark.parametrize("cls", NETS)
def test_defaults_are_the_report(cls):
    params = cls().get_params()
    assert params.pop("validation_fraction") == 0.1
    assert params.pop("n_iter_no_change") == 5
    assert params == {**COMMON, **DEFAULTS[cls]}


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [(SmallOCTNet, 257_700), (MediumOCTNet, 7_704_196), (LargeOCTNet, 7_704_196)],
)
def test_default_network_is_the_report(cls, parameters):
    images = np.zeros((4, 28, 28), np.uint8)
    model = cls().initialize(images, [0, 1, 2, 3]).model_
    assert model.count_params() == parameters
    assert type(model.optimizer).__name__.lower() == DEFAULTS[cls]["optimizer"]
    assert float(model.optimizer.learning_rate) == np.float32(0.001)


@pytest.mark.parametrize("cls", NETS)
def test_what_it_is(cls):
    assert isinstance(cls(), KerasClassifier)
    assert is_classifier(cls())


@pytest.mark.parametrize("cls", [*NETS, ResidualOCTNet])
def test_docstring_has_each_parameter_with_its_default(cls):
    signature = inspect.signature(cls)
    assert {p.kind for p in signature.parameters.values()} == {
        inspect.Parameter.KEYWORD_ONLY
    }
    for name, parameter in signature.parameters.items():
        line = next(
            x for x in cls.__doc__.splitlines() if x.strip().startswith(f"{name} : ")
        )
        assert line.endswith(f"default={parameter.default!r}") or (
            isinstance(parameter.default, str) and f'default="{parameter.default}"' in line
        )


@pytest.mark.parametrize("cls", NETS)
def test_learns(cls):
    estimator = cls(**QUICK, random_state=0).set_params(
        augmentation__height_shift_range=0, augmentation__zoom_range=0
    )
    assert estimator.fit(X, NAMES).score(X_VAL, np.unique(NAMES)[Y_VAL]) > 0.9
    assert estimator.history_["loss"][-1] < estimator.history_["loss"][0] / 2


# --- Labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        NAMES.astype(object),
        NAMES.tolist(),
        pd.Series(NAMES),
        pd.Series(NAMES, index=np.arange(60) + 100, dtype="category"),
        pd.Categorical(NAMES),
        y + 1,
        10 * y - 10,
        y.astype(np.uint8),
        y.astype(float),
        y.tolist(),
        y == 1,
        np.where(y == 1, "yes", "no"),
    ],
    ids=lambda labels: f"{type(labels).__name__}-{np.asarray(labels).dtype}",
)
def test_labels_of_any_kind(labels):
    estimator = net().fit(X, labels)
    expected = np.unique(np.asarray(labels))
    np.testing.assert_array_equal(estimator.classes_, expected)
    assert estimator.classes_.dtype == expected.dtype
    predicted = estimator.predict(X)
    assert predicted.shape == (60,)
    assert predicted.dtype == expected.dtype
    assert set(predicted) <= set(expected)
    assert estimator.predict_proba(X).shape == (60, len(expected))


def test_labels_are_only_names(reference):
    named = net().fit(X, NAMES)
    np.testing.assert_array_equal(weights(named), weights(reference))


def test_column_of_labels():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        estimator = net().fit(X, y[:, None])
    assert estimator.predict(X).shape == (60,)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (None, ValueError, "requires y to be passed"),
        (y[:-1], ValueError, "X has 60 images and y 59 entries"),
        (np.eye(3)[y], ValueError, r"y has shape \(60, 3\).*y.argmax\(axis=1\)"),
        (y + 0.5, ValueError, "Unknown label type: continuous"),
        (np.where(y == 0, np.nan, y), ValueError, "y has missing values"),
        (y * 0, ValueError, r"y has only one class, \[0\]; .* at least 2 classes"),
        ([None, "a", "b"] * 20, ValueError, "y has missing values"),
        (np.array([b"a", b"b"])[y % 2], TypeError, "bytes"),
    ],
)
def test_what_labels_are_not(labels, error, message):
    with pytest.raises(error, match=message):
        net().fit(X, labels)


# --- Images ----------------------------------------------------------------------------


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def memory_mapped(array, folder):
    np.save(folder / "X.npy", array)
    return np.load(folder / "X.npy", mmap_mode="r")


LAYOUTS = {
    "channel axis": lambda folder: X[..., None],
    "flattened": lambda folder: X.reshape(60, -1),
    "Fortran order": lambda folder: np.asfortranarray(X),
    "strided": lambda folder: np.repeat(X, 2, axis=2)[:, :, ::2],
    "read-only": lambda folder: read_only(X),
    "memory-mapped": lambda folder: memory_mapped(X, folder),
    "list": lambda folder: X.tolist(),
    "int64": lambda folder: X.astype(np.int64),
    "uint16, foreign byte order": lambda folder: X.astype(">u2"),
    "data frame": lambda folder: pd.DataFrame(X.reshape(60, -1)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_makes_no_difference(layout, reference, tmp_path):
    images = layout(tmp_path)
    np.testing.assert_array_equal(weights(net().fit(images, y)), weights(reference))
    np.testing.assert_array_equal(
        reference.predict_proba(images), reference.predict_proba(X)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_floats_are_pixels_over_255(dtype, reference):
    images = (X / 255).astype(dtype)
    tolerance = 1e-2 if dtype == np.float16 else 1e-5
    np.testing.assert_allclose(
        reference.predict_proba(images), reference.predict_proba(X), atol=tolerance
    )
    estimator = net().fit(images, y)
    np.testing.assert_allclose(weights(estimator), weights(reference), atol=tolerance)


def test_image_shape_is_kept(reference):
    assert reference.image_shape_ == (12, 12, 1)
    assert reference.n_features_in_ == 144
    assert not hasattr(reference, "feature_names_in_")


def test_colour_images_that_are_not_square():
    images = np.repeat(X[:, :, :10, None], 3, axis=-1)
    estimator = net().fit(images, y)
    assert estimator.image_shape_ == (12, 10, 3)
    assert estimator.n_features_in_ == 360
    assert estimator.model_.input_shape == (None, 12, 10, 3)
    np.testing.assert_array_equal(
        estimator.predict_proba(images.reshape(60, -1)), estimator.predict_proba(images)
    )


def test_column_names_are_kept():
    frame = pd.DataFrame(X.reshape(60, -1)).add_prefix("pixel")
    estimator = net().fit(frame, y)
    assert list(estimator.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[frame.columns[::-1]])


@pytest.mark.filterwarnings("ignore:X has shape .* and is taken for:UserWarning")
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (X * 1.0, r"^X holds floats from 0 to 239; .* Divide 0-255 images by 255"),
        (X[:, None], r"^X has shape \(60, 1, 12, 12\).*numpy.moveaxis\(X, 1, -1\)"),
        (np.full(X.shape, np.nan), "X holds NaN"),
        (X.astype(np.uint16) * 257, r"^X holds integers from 0 to 61423"),
        (X[:, :2, :2], "images of 2 x 2 pixels are too small"),
        (X[:0], "0 sample"),
        (X[0], "X has 12 images and y 60 entries"),
    ],
)
def test_what_images_are_not(images, message):
    with pytest.raises(ValueError, match=message):
        net().fit(images, y)


@pytest.mark.parametrize("method", [*METHODS, "score", "partial_fit"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            X[:, :, :11],
            "X holds images of shape 12 x 11 x 1, but .* 12 x 12 x 1 are expected",
        ),
        (X[:, :11], "shape 11 x 12 x 1, but"),
        (np.repeat(X[..., None], 3, axis=3), "shape 12 x 12 x 3, but"),
        (X.reshape(60, -1)[:, :121], "121 features, but SmallOCTNet is expecting 144"),
        (X * 1.0, "must lie in"),
    ],
)
def test_wrong_images_after_fit(method, images, message, reference):
    arguments = (images, y) if method in ("score", "partial_fit") else (images,)
    with pytest.raises(ValueError, match=message):
        getattr(reference, method)(*arguments)


@pytest.mark.parametrize("method", [*METHODS, "score"])
def test_not_fitted(method):
    arguments = (X, y) if method == "score" else (X,)
    with pytest.raises(NotFittedError, match="SmallOCTNet instance is not fitted yet"):
        getattr(net(), method)(*arguments)


def test_few_images():
    estimator = net(batch_size=1_000).fit(X[:2], y[:2])
    assert estimator.predict(X[:1]).shape == (1,)
    assert len(estimator.history_["loss"]) == 1


# --- Prediction ------------------------------------------------------------------------


def test_probabilities(fitted):
    proba = fitted.predict_proba(X)
    assert proba.shape == (60, 3)
    assert proba.dtype == np.float64
    assert proba.min() >= 0
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(axis=1)])
    np.testing.assert_allclose(
        proba, softmax(fitted.decision_function(X), axis=1), rtol=1e-5
    )


def test_logits_are_those_of_the_keras_model(fitted):
    expected = fitted.model_(X[..., None] / np.float32(255)).numpy()
    np.testing.assert_allclose(fitted.decision_function(X), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(expected).max() > 1


def test_decision_function_of_two_classes():
    estimator = net().fit(X, y == 1)
    proba = estimator.predict_proba(X)
    decision = estimator.decision_function(X)
    assert decision.shape == (60,)
    np.testing.assert_allclose(decision, np.log(proba[:, 1] / proba[:, 0]), atol=1e-5)
    np.testing.assert_array_equal(estimator.predict(X), decision > 0)


def test_score_is_accuracy(fitted):
    labels = NAMES.copy()
    labels[:15] = "CNV"  # 5 of these 15 are
    hits = fitted.predict(X) == labels
    assert fitted.score(X, labels) == pytest.approx(hits.mean())
    weight = np.linspace(0, 1, 60)
    assert fitted.score(X, labels, weight) == pytest.approx(
        np.average(hits, weights=weight)
    )


@pytest.mark.parametrize("method", METHODS)
def test_an_image_is_predicted_alike_alone_and_among_others(method, fitted):
    # More than one part of the forward pass.
    many = np.concatenate([X] * 30)
    all_at_once = getattr(fitted, method)(many)
    np.testing.assert_array_equal(all_at_once[:60], all_at_once[-60:])
    one_by_one = np.concatenate([getattr(fitted, method)(X[i : i + 1]) for i in range(60)])
    if has_avx512() or method == "predict":
        np.testing.assert_array_equal(all_at_once[:60], one_by_one)
    else:
        # The products of other processors sum in an order that depends on the number of
        # images, so that logits agree to the rounding of float32.
        np.testing.assert_allclose(all_at_once[:60], one_by_one, rtol=1e-4, atol=1e-5)


# --- Epochs, partial_fit, warm_start ---------------------------------------------------


def test_history_without_validation(reference):
    assert type(reference.history_) is dict
    assert set(reference.history_) == {"loss", "accuracy"}
    values = [v for column in reference.history_.values() for v in column]
    assert [type(v) for v in values] == [float, float]
    assert reference.n_iter_ == 1


def test_history_with_validation():
    estimator = net(epochs=3).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert {name: len(column) for name, column in estimator.history_.items()} == dict(
        loss=3, accuracy=3, val_loss=3, val_accuracy=3
    )
    assert estimator.n_iter_ == 3
    loss = log_loss(Y_VAL, estimator.predict_proba(X_VAL))
    assert estimator.history_["val_loss"][-1] == pytest.approx(loss, abs=1e-5)
    accuracy = estimator.score(X_VAL, Y_VAL)
    assert estimator.history_["val_accuracy"][-1] == pytest.approx(accuracy)


def test_validation_images_do_not_train(reference):
    estimator = net().fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    np.testing.assert_array_equal(weights(estimator), weights(reference))


def test_fit_begins_anew():
    estimator = net(epochs=2)
    first = weights(estimator.fit(X, y))
    np.testing.assert_array_equal(first, weights(estimator.fit(X, y)))
    assert len(estimator.history_["loss"]) == estimator.n_iter_ == 2


@pytest.fixture(scope="module")
def three_epochs():
    return net(epochs=3, dropout=0.3).fit(X, y)


def test_partial_fits_make_a_fit(three_epochs):
    estimator = net(dropout=0.3)
    for _ in range(3):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(weights(estimator), weights(three_epochs))
    assert estimator.history_ == three_epochs.history_
    assert estimator.n_iter_ == 3


def test_warm_starts_make_a_fit(three_epochs):
    estimator = net(dropout=0.3, warm_start=True).fit(X, y)
    estimator.set_params(epochs=2).fit(X, y)
    np.testing.assert_array_equal(weights(estimator), weights(three_epochs))
    assert estimator.history_ == three_epochs.history_
    assert estimator.n_iter_ == 3


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda estimator: pickle.loads(pickle.dumps(estimator))]
)
def test_training_goes_on_in_a_copy(again, three_epochs):
    estimator = net(epochs=2, dropout=0.3).fit(X, y)
    before = weights(estimator)
    other = again(estimator).partial_fit(X, y)
    np.testing.assert_array_equal(weights(other), weights(three_epochs))
    assert other.history_ == three_epochs.history_
    np.testing.assert_array_equal(weights(estimator), before)


def test_partial_fit_with_classes_that_y_lacks():
    few = y < 2
    estimator = net().partial_fit(X[few], NAMES[few], classes=["NORMAL", "DME", "CNV"])
    assert list(estimator.classes_) == ["CNV", "DME", "NORMAL"]
    assert estimator.predict_proba(X).shape == (60, 3)
    estimator.partial_fit(X, NAMES)
    assert estimator.n_iter_ == 2


def test_partial_fit_with_a_label_that_is_new():
    estimator = net().partial_fit(X, y)
    with pytest.raises(
        ValueError, match=r"y contains labels .*\[7\]; its classes are \[0, 1, 2\]"
    ):
        estimator.partial_fit(X, np.where(y == 0, 7, y))


def test_partial_fit_with_weights():
    weight = np.linspace(0.5, 2, 60)
    partial = net().partial_fit(X, y, sample_weight=weight)
    whole = net().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(weights(partial), weights(whole))


def test_initialize_does_not_train():
    estimator = net().initialize(X, NAMES)
    assert estimator.n_iter_ == 0
    assert estimator.history_["loss"] == []
    assert set(estimator.predict(X)) <= set(NAMES)
    np.testing.assert_array_equal(
        weights(estimator.partial_fit(X, NAMES)), weights(net().fit(X, NAMES))
    )


# --- Validation and early stopping -----------------------------------------------------


def test_early_stopping_keeps_the_best_weights():
    # Labels that mean nothing: the validation loss soon rises.
    labels = np.random.default_rng(0).integers(0, 3, 60)
    estimator = net(
        epochs=60,
        early_stopping=True,
        n_iter_no_change=3,
        learning_rate=0.02,
        augmentation=None,
    ).fit(X, labels, X_val=X_VAL, y_val=Y_VAL)
    losses = estimator.history_["val_loss"]
    best = int(np.argmin(losses))
    assert estimator.n_iter_ == len(losses) == best + 1 + 3
    assert estimator.n_iter_ < 60
    loss = log_loss(Y_VAL, estimator.predict_proba(X_VAL))
    assert loss == pytest.approx(losses[best], abs=1e-5)
    assert loss < losses[-1] - 1e-3


def test_early_stopping_holds_a_stratified_share_out(fit_calls):
    labels = np.array([0] * 40 + [1] * 20)
    estimator = net(early_stopping=True, validation_fraction=0.25).fit(X, labels)
    train, held_out = fit_calls[0]["train"], fit_calls[0]["validation"]
    assert sorted([*train.index, *held_out.index]) == list(range(60))
    assert list(np.bincount(labels[held_out.index])) == [10, 5]
    (stopper,) = estimator.callbacks_
    assert stopper.model is estimator.model_
    assert "val_loss" in estimator.history_


def test_early_stopping_holds_nothing_out_of_images_given(fit_calls):
    net(early_stopping=True).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert len(fit_calls[0]["train"].index) == 60
    assert len(fit_calls[0]["validation"].index) == 24


def test_nothing_is_held_out_without_early_stopping(fit_calls):
    net(validation_fraction=0.5).fit(X, y)
    assert len(fit_calls[0]["train"].index) == 60
    assert fit_calls[0]["validation"] is None


def test_too_few_images_to_hold_out():
    with pytest.raises(ValueError, match=r"validation_fraction=0.1 of 6 images.*X_val"):
        net(early_stopping=True).fit(X[:6], y[:6])


def test_validation_images_may_have_another_dtype_and_layout(reference):
    floats = net().fit(X, y, X_val=X_VAL.reshape(24, -1) / 255, y_val=Y_VAL.tolist())
    integers = net().fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert floats.history_["val_loss"] == pytest.approx(integers.history_["val_loss"])


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (dict(X_val=X_VAL), "X_val and y_val must be given together"),
        (dict(y_val=Y_VAL), "X_val and y_val must be given together"),
        (dict(X_val=X_VAL[:, :9], y_val=Y_VAL), "^X_val holds images of shape 9 x 12 x 1"),
        (dict(X_val=X_VAL * 1.0, y_val=Y_VAL), "^X_val holds floats"),
        (dict(X_val=X_VAL, y_val=Y_VAL[1:]), "X_val has 24 images and y_val 23 entries"),
        (
            dict(X_val=X_VAL, y_val=Y_VAL + 2),
            r"y_val contains labels that are not classes of the network: \[3, 4\]",
        ),
        (dict(X_val=X_VAL, y_val=np.full(24, "DME")), r"y_val contains labels .*\['DME'\]"),
        (dict(X_val=X_VAL, y_val=Y_VAL + 0.5), "Unknown label type"),
        (dict(X_val=X_VAL, y_val=np.full(24, np.nan)), "y_val has missing values"),
    ],
)
def test_wrong_validation_sets(validation, message):
    with pytest.raises(ValueError, match=message):
        net().fit(X, y, **validation)


# --- Weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_weight", "labels"),
    [
        ("balanced", NAMES),
        ("balanced", y + 5),
        ({"CNV": 3, "DME": 0.5, "NORMAL": 1}, NAMES),
        ({"DME": 7}, NAMES),
        ({5: 3, 6: 0.5, 7: 1}, y + 5),
        ({False: 1, True: 4}, y == 1),
    ],
)
def test_class_weights_are_sample_weights(class_weight, labels):
    # Classes of unlike sizes, so that "balanced" says something.
    keep = (y != 1) | (np.arange(60) % 2 == 0)
    images, labels = X[keep], labels[keep]
    by_class = net(class_weight=class_weight).fit(images, labels)
    by_sample = net().fit(
        images, labels, sample_weight=compute_sample_weight(class_weight, labels)
    )
    np.testing.assert_array_equal(weights(by_class), weights(by_sample))
    assert (weights(by_class) != weights(net().fit(images, labels))).any()


def test_class_weight_multiplies_sample_weight_and_leaves_it_alone():
    labels = np.array([0] * 40 + [1] * 20)
    sample_weight = np.linspace(0.5, 2, 60, dtype=np.float32)
    sample_weight.flags.writeable = False
    before = sample_weight.copy()
    both = net(class_weight="balanced").fit(X, labels, sample_weight=sample_weight)
    np.testing.assert_array_equal(sample_weight, before)
    by_class = compute_class_weight(
        "balanced", classes=np.arange(2), y=labels, sample_weight=sample_weight
    )
    product = sample_weight * by_class.astype(np.float32)[labels]
    expected = net().fit(X, labels, sample_weight=product)
    np.testing.assert_array_equal(weights(both), weights(expected))


def test_class_weight_weights_the_validation_loss():
    class_weight = {0: 5, 1: 1, 2: 1}
    estimator = net(class_weight=class_weight).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    proba = estimator.predict_proba(X_VAL)
    loss = -np.log(proba[np.arange(24), Y_VAL]) * np.array([5, 1, 1])[Y_VAL]
    assert estimator.history_["val_loss"][0] == pytest.approx(loss.mean(), abs=1e-5)


def test_weights_of_one_change_nothing(reference):
    estimator = net().fit(X, y, sample_weight=np.ones(60))
    np.testing.assert_array_equal(weights(estimator), weights(reference))


def test_images_of_weight_0_are_left_out():
    weight = np.ones(60)
    weight[::4] = 0
    images = X.copy()
    images[::4] = 255
    labels = np.where(weight == 0, 0, y)
    estimator = net(epochs=2).fit(images, labels, sample_weight=weight)
    without = net(epochs=2).fit(X[weight > 0], y[weight > 0], sample_weight=np.ones(45))
    np.testing.assert_array_equal(weights(estimator), weights(without))
    assert estimator.history_["accuracy"] == without.history_["accuracy"]


def test_classes_of_weight_0_are_left_out(fit_calls):
    estimator = net(class_weight={0: 0}).fit(X, y)
    np.testing.assert_array_equal(fit_calls[0]["train"].index, np.flatnonzero(y))
    assert list(estimator.classes_) == [0, 1, 2]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(59), r"sample_weight.shape == \(59,\), expected \(60,\)"),
        (np.full(60, -1.0), "[Nn]egative"),
        (np.full(60, np.nan), "NaN"),
        (np.zeros(60), "non-zero|nothing to train on"),
    ],
)
def test_wrong_sample_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        net().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("equal", "'class_weight' parameter of SmallOCTNet must be"),
        ({0: 0, 1: 0, 2: 0}, "nothing to train on"),
        ({"CNV": 2}, "not in class_weight"),
    ],
)
def test_wrong_class_weights(class_weight, message):
    with pytest.raises(ValueError, match=message):
        net(class_weight=class_weight).fit(X, y)


# --- Augmentation ----------------------------------------------------------------------


class SpyAugmenter(OCTAugmenter):
    """Keeps what it draws, and the images it is to warp."""

    drawn: list = []
    warped: list = []
    used: list = []

    def draw(self, n, image_shape, rng):
        draws = super().draw(n, image_shape, rng)
        self.drawn.append(draws)
        return draws

    def warp(self, images, draws):
        images = tf.ensure_shape(
            tf.py_function(self._keep, [images, draws], tf.float32), images.shape
        )
        return super().warp(images, draws)

    def _keep(self, images, draws):
        self.warped.append(images.numpy())
        self.used.append(draws.numpy())
        return images


class Blackout(OCTAugmenter):
    """Leaves nothing to see."""

    def warp(self, images, draws):
        return tf.zeros_like(images)


@pytest.fixture
def spy_augmenter(monkeypatch):
    for name in ("drawn", "warped", "used"):
        monkeypatch.setattr(SpyAugmenter, name, [])
    return SpyAugmenter


def test_each_epoch_shows_each_image_once_in_an_order_of_its_own(
    spy_augmenter, monkeypatch
):
    # Batches are gathered several at a time; here 7 of 16 images of 8 x 8.
    monkeypatch.setattr(_batches, "_PART_PIXELS", 7 * 16 * 8 * 8)
    images = np.arange(1_500, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2)
    images = np.tile(images, (1, 8, 4))
    net(epochs=3, batch_size=16, augmentation=SpyAugmenter()).fit(
        images, y[np.arange(1500) % 60]
    )
    shown = np.concatenate(spy_augmenter.warped)[:, 0, :2, 0] * 255
    orders = (np.rint(shown) @ [1, 256]).reshape(3, 1_500)
    for order in orders:
        assert sorted(order) == list(range(1_500))
    assert len(set(map(tuple, orders))) == 3
    # And each by the change that was drawn for it.
    assert len(spy_augmenter.used) > 3 * 13
    np.testing.assert_array_equal(
        np.concatenate(spy_augmenter.used), np.concatenate(spy_augmenter.drawn)
    )
    # Neither sorted nor nearly so.
    assert all(abs(np.corrcoef(order, np.arange(1_500))[0, 1]) < 0.1 for order in orders)


def test_each_epoch_draws_anew(spy_augmenter):
    net(epochs=3, augmentation=SpyAugmenter()).fit(X, y)
    first, second, third = spy_augmenter.drawn
    assert first.shape == (60, 8)
    assert (first != second).any()
    assert (second != third).any()


def test_partial_fit_draws_what_the_epoch_would(spy_augmenter):
    net(epochs=2, augmentation=SpyAugmenter()).fit(X, y)
    estimator = net(augmentation=SpyAugmenter())
    estimator.partial_fit(X, y)
    estimator.partial_fit(X, y)
    np.testing.assert_array_equal(spy_augmenter.drawn[:2], spy_augmenter.drawn[2:])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_images_alone_are_augmented(early_stopping, spy_augmenter):
    estimator = net(early_stopping=early_stopping, augmentation=SpyAugmenter())
    if early_stopping:
        estimator.fit(X, y)
    else:
        estimator.fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    estimator.predict(X)
    n_train = 54 if early_stopping else 60
    assert [len(draws) for draws in spy_augmenter.drawn] == [n_train]
    assert sum(map(len, spy_augmenter.warped)) == n_train


def test_validation_loss_is_of_images_as_they_are():
    estimator = net(epochs=2, augmentation=Blackout(), learning_rate=0.05).fit(
        X, y, X_val=X_VAL, y_val=Y_VAL
    )
    loss = log_loss(Y_VAL, estimator.predict_proba(X_VAL))
    black = log_loss(Y_VAL, estimator.predict_proba(np.zeros_like(X_VAL)))
    assert estimator.history_["val_loss"][-1] == pytest.approx(loss, abs=1e-5)
    assert abs(loss - black) > 1e-3


def test_augmented_images_are_what_trains():
    blacked_out = net(augmentation=Blackout()).fit(X, y)
    black = net(augmentation=None).fit(np.zeros_like(X), y)
    np.testing.assert_array_equal(weights(blacked_out), weights(black))


def test_true_is_the_reports_training_setting(reference):
    explicit = net(augmentation=OCTAugmenter.from_preset("training")).fit(X, y)
    np.testing.assert_array_equal(weights(explicit), weights(reference))


def test_none_and_false_are_no_augmentation(reference):
    none, false = net(augmentation=None).fit(X, y), net(augmentation=False).fit(X, y)
    np.testing.assert_array_equal(weights(none), weights(false))
    assert (weights(none) != weights(reference)).any()


def test_numpys_booleans_are_booleans():
    # As a grid has them that is an array.
    clf = net(epochs=1, augmentation=np.True_, random_state=0).fit(X, y)
    like = net(epochs=1, augmentation=True, random_state=0).fit(X, y)
    assert clf.history_ == like.history_
    clf.set_params(augmentation__zoom_range=0)
    assert clf.augmentation.zoom_range == 0
    off = net(epochs=1, augmentation=np.False_, random_state=0).fit(X, y)
    assert off.history_ != like.history_


def test_augmenter_given_is_left_alone():
    augmenter = OCTAugmenter(random_state=3)
    before = dict(vars(augmenter))
    net(augmentation=augmenter).fit(X, y)
    assert vars(augmenter) == before


def test_random_state_of_the_estimator_rules(reference):
    other = net(augmentation=OCTAugmenter(random_state=3)).fit(X, y)
    np.testing.assert_array_equal(weights(other), weights(reference))


def test_parameters_of_the_augmenter_can_be_set():
    estimator = net(augmentation=OCTAugmenter())
    assert estimator.get_params()["augmentation__rotation_range"] == 3
    estimator.set_params(augmentation__rotation_range=7)
    assert estimator.augmentation.rotation_range == 7
    # True stands for an augmenter.
    estimator = net().set_params(augmentation__rotation_range=7, epochs=4)
    assert (
        estimator.augmentation.get_params() == OCTAugmenter(rotation_range=7).get_params()
    )
    assert estimator.epochs == 4
    estimator = net(augmentation=None).set_params(
        augmentation__zoom_range=0, augmentation=True
    )
    assert estimator.augmentation.zoom_range == 0


@pytest.mark.parametrize("augmentation", [None, False])
def test_parameters_of_no_augmenter(augmentation):
    estimator = net(augmentation=augmentation)
    with pytest.raises(
        ValueError, match=r"'augmentation__rotation_range': augmentation is"
    ):
        estimator.set_params(augmentation__rotation_range=7)


def test_wrong_parameter_of_the_augmenter():
    with pytest.raises(ValueError, match="'zoom_range' parameter of OCTAugmenter must be"):
        net(augmentation=OCTAugmenter(zoom_range=2)).fit(X, y)


# --- Optimizers ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizers_by_name(name):
    optimizer = net(optimizer=name).initialize(X, y).model_.optimizer
    assert type(optimizer).__name__.lower() == name
    expected = keras.optimizers.get(name).get_config()["learning_rate"]
    assert float(optimizer.learning_rate) == pytest.approx(expected)


def test_optimizers_by_name_in_any_case():
    assert isinstance(
        net(optimizer="Nadam").initialize(X, y).model_.optimizer, keras.optimizers.Nadam
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd", keras.optimizers.SGD(0.5)])
def test_learning_rate(optimizer):
    estimator = net(optimizer=optimizer, learning_rate=0.125).fit(X, y)
    assert float(estimator.model_.optimizer.learning_rate) == 0.125


def test_learning_rate_matters():
    slow, fast = (net(learning_rate=rate).fit(X, y) for rate in (1e-4, 1e-2))
    start = weights(net().initialize(X, y))
    assert np.abs(weights(slow) - start).max() < np.abs(weights(fast) - start).max() / 10


def test_optimizer_given_is_neither_used_nor_shared():
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.5)
    estimator = net(optimizer=optimizer)
    first = weights(estimator.fit(X, y))
    used = estimator.model_.optimizer
    second = weights(estimator.fit(X, y))
    np.testing.assert_array_equal(first, second)
    assert not optimizer.built
    assert int(optimizer.iterations) == 0
    assert estimator.model_.optimizer is not used
    assert (used.beta_1, float(used.learning_rate)) == (0.5, np.float32(0.01))
    assert clone(estimator).fit(X, y).optimizer.get_config() == optimizer.get_config()


def test_schedule_of_an_optimizer_is_kept():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    estimator = net(optimizer=keras.optimizers.SGD(schedule), epochs=2).fit(X, y)
    # 2 epochs of 2 steps each halve it 4 times.
    assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.1 / 16)


class HalfSGD(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.5, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)


def test_optimizer_of_ones_own():
    estimator = net(optimizer=HalfSGD()).fit(X, y)
    assert isinstance(estimator.model_.optimizer, HalfSGD)


# --- Callbacks -------------------------------------------------------------------------


class Counter(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0
        self.epochs = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((epoch, sorted(logs)))


class Freeze(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        for layer in self.model.layers:
            layer.trainable = False
        self.model._initial_epoch = 1


class Fail(keras.callbacks.Callback):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        raise self.error


@pytest.mark.parametrize("as_list", [True, False])
def test_callbacks_are_copies_for_each_fit(as_list):
    counter = Counter()
    estimator = net(epochs=2, callbacks=[counter] if as_list else counter)
    for _ in range(2 if as_list else 1):
        estimator.fit(X, y, X_val=X_VAL, y_val=Y_VAL)
        (used,) = estimator.callbacks_
        logs = ["accuracy", "loss", "val_accuracy", "val_loss"]
        assert used.epochs == [(0, logs), (1, logs)]
        assert used.batches == 4  # each of them seen
        assert used.model is estimator.model_
    assert (counter.batches, counter.epochs) == (0, [])


def test_callbacks_do_not_change_the_training(reference):
    np.testing.assert_array_equal(
        weights(net(callbacks=[Counter()]).fit(X, y)), weights(reference)
    )


def test_epochs_go_on_for_callbacks():
    estimator = net(callbacks=[Counter()]).partial_fit(X, y).partial_fit(X, y)
    assert [epoch for epoch, _ in estimator.callbacks_[0].epochs] == [1]


def test_callback_may_set_the_learning_rate():
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5**epoch)
    estimator = net(epochs=3, callbacks=scheduler).fit(X, y)
    assert float(estimator.model_.optimizer.learning_rate) == 0.25


def test_callback_may_stop_the_training():
    stop = keras.callbacks.EarlyStopping("loss", min_delta=100, patience=1)
    assert net(epochs=9, callbacks=[stop]).fit(X, y).n_iter_ == 2


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_what_a_callback_does_to_its_network_stays_there(monkeypatch):
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool(4))
    expected = weights(net(epochs=2, callbacks=[Counter()]).fit(X, y))
    net(epochs=2, callbacks=[Freeze()]).fit(X, y)
    again = net(epochs=2, callbacks=[Counter()]).fit(X, y)
    assert len(again.history_["loss"]) == 2
    np.testing.assert_array_equal(weights(again), expected)


@pytest.mark.parametrize("callbacks", [[3], ["early"], [keras.callbacks.EarlyStopping]])
def test_what_callbacks_are_not(callbacks):
    with pytest.raises(ValueError, match="callbacks must be Keras callbacks"):
        net(callbacks=callbacks).fit(X, y)


# --- After a fit that failed -----------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("disk"), KeyboardInterrupt()])
def test_failed_training_leaves_it_not_fitted(error):
    estimator = net(callbacks=[Fail(error)], epochs=2)
    with pytest.raises(type(error)):
        estimator.fit(X, y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    estimator.set_params(callbacks=None).fit(X, y)
    np.testing.assert_array_equal(weights(estimator), weights(net(epochs=2).fit(X, y)))


@pytest.mark.parametrize(
    "wrong", [dict(X_val=X_VAL), dict(sample_weight=-np.ones(60))], ids=["X_val", "weight"]
)
def test_refused_arguments_leave_it_not_fitted(wrong):
    estimator = net().fit(X, y)
    with pytest.raises(ValueError, match=r"X_val|sample_weight|[Nn]egative"):
        estimator.fit(X, y, **wrong)
    with pytest.raises(NotFittedError):
        estimator.predict(X)


def test_networks_that_train_in_turn_do_not_meet(monkeypatch):
    # Fits of one kind share a compiled network.
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool(4))
    expected = weights(net(epochs=2).fit(X, y))
    warm = net(warm_start=True).fit(X, y)
    before = weights(warm)
    # Its optimizer is Adam's for good; the parameter must not make it pass for another.
    monkeypatch.setattr(_fit_model, "_pool", _model_pool.ModelPool(4))
    warm.set_params(optimizer="adamw", learning_rate=0.5).fit(X, y)
    assert type(warm.model_.optimizer) is keras.optimizers.Adam
    assert (weights(warm) != before).any()
    np.testing.assert_array_equal(weights(warm), expected)
    np.testing.assert_array_equal(weights(net(epochs=2).fit(X, y)), expected)
    other = net(epochs=2, optimizer="adamw").fit(X, y)
    assert (weights(other) != expected).any()


def test_idle_networks_are_kept_up_to_so_many_bytes():
    def network(n):
        optimizer = SimpleNamespace(variables=[np.zeros(n)])
        return SimpleNamespace(variables=[np.zeros((n, 2))], optimizer=optimizer)

    def lent(kind, n):
        made = []
        with pool.lend(kind, lambda: made.append(kind) or network(n)):
            pass
        return made

    pool = _model_pool.ModelPool(4, 4 * 1000)
    assert [lent(kind, 150) for kind in "abc"] == [["a"], ["b"], ["c"]]
    assert [lent(kind, 150) for kind in "cba"] == [[], [], ["a"]]  # 900 numbers are two
    assert [lent("large", 400) for _ in range(2)] == [["large"], ["large"]]


def test_many_networks_bring_no_warning_of_retracing(caplog, monkeypatch):
    logger = tf.get_logger()
    monkeypatch.setattr(logger, "propagate", True)
    filters = list(logger.filters)
    for filters_of_net in range(1, 8):
        net(filters=(filters_of_net,), dense_units=(), optimizer="sgd").fit(X, y)
    assert "retracing" not in caplog.text
    assert logger.filters == filters  # others are warned as ever


def test_images_are_not_kept_after_a_fit():
    images = X.copy()
    kept = weakref.ref(images)
    net(early_stopping=True).fit(images, y)
    del images
    gc.collect()
    assert kept() is None


# --- Random state ----------------------------------------------------------------------

RANDOM = dict(epochs=2, dropout=0.3, augmentation=True, early_stopping=True)


def global_states():
    """Return Python's and NumPy's state as text."""
    return repr(random.getstate()), repr(np.random.get_state(legacy=False))  # noqa: NPY002


def test_seed_makes_fits_identical_whatever_the_global_states():
    first = net(**RANDOM).fit(X, y)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    keras.layers.Dense(3)(np.zeros((1, 2)))
    net(random_state=9).fit(X, y)
    second = net(**RANDOM).fit(X, y)
    np.testing.assert_array_equal(weights(first), weights(second))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.history_ == second.history_


def test_global_random_states_are_left_alone():
    np.random.seed(1)  # noqa: NPY002
    before = global_states()
    estimator = net(**RANDOM).fit(X, y)
    estimator.partial_fit(X, y)
    estimator.predict_proba(X)
    assert global_states() == before
    # None is NumPy's global state, as everywhere in scikit-learn, and never Python's.
    net(**{**RANDOM, "random_state": None}).fit(X, y)
    assert global_states()[0] == before[0]


def test_seeds_differ():
    starts = [weights(net(random_state=seed).initialize(X, y)) for seed in (0, 1)]
    assert (starts[0] != starts[1]).any()


def test_no_seed_differs_each_time():
    assert (
        weights(net(random_state=None).fit(X, y))
        != weights(net(random_state=None).fit(X, y))
    ).any()


def test_random_state_instance_goes_on():
    estimator = net(random_state=np.random.RandomState(3))
    first, second = weights(estimator.fit(X, y)), weights(estimator.fit(X, y))
    assert (first != second).any()
    again = net(random_state=np.random.RandomState(3)).fit(X, y)
    np.testing.assert_array_equal(first, weights(again))


def test_order_depends_on_the_seed(fit_calls):
    orders = []
    for seed in (0, 0, 1):
        net(random_state=seed, augmentation=None).fit(X, y)
        parts = fit_calls[-1]["train"].dataset()
        orders.append(np.concatenate([labels for _, labels in parts.as_numpy_iterator()]))
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


# --- Memory ----------------------------------------------------------------------------


def test_images_are_never_copied_as_a_whole():
    images = np.zeros((10_000, 28, 28), np.uint8)
    labels = np.arange(10_000) % 2
    estimator = net(
        class_weight="balanced", early_stopping=True, batch_size=128, filters=(1,)
    )
    estimator.fit(images[:100], labels[:100])  # traces the graph, which would take longer
    tracemalloc.start()
    estimator.fit(images, labels)
    _, peak_fit = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    estimator.predict_proba(images)
    _, peak_predict = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A copy is 8 MB, as float32 31 MB.
    assert peak_fit < 6e6
    assert peak_predict < 6e6


WHOLE_SET = """
import resource, sys
import numpy as np
from octsk import SmallOCTNet

X = np.load(sys.argv[1], mmap_mode="r")
y = np.arange(len(X)) % 4
params = dict(filters=(1,), dense_units=(), epochs=1, batch_size=128, random_state=0)
SmallOCTNet(**params).fit(X[:5000], y[:5000]).predict(X[:5000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clf = SmallOCTNet(**params).fit(X, y)
clf.predict_proba(X)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(("limit", "kept"), [(10**9, [True] * 3), (1, [False] * 3)])
def test_networks_of_past_fits_do_not_stay(monkeypatch, limit, kept):
    monkeypatch.setattr(_model_pool, "_COLLECTED_NUMBERS", limit)
    gc.disable()
    try:
        fits = (SmallOCTNet(**TINY).fit(X, y) for _ in range(3))
        networks = [weakref.ref(net.model_) for net in fits]
        SmallOCTNet(**TINY).fit(X, y)
        assert [network() is not None for network in networks] == kept
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux gives it")
def test_memory_of_a_fit_to_a_large_set(tmp_path):
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", "w+", dtype=np.uint8, shape=(50_000, 28, 28)
    )
    X[:] = np.arange(28, dtype=np.uint8)
    X.flush()
    out = subprocess.run(
        [sys.executable, "-c", WHOLE_SET, tmp_path / "X.npy"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # The file's own pages, 39 MB, may count; its copy as float32 would be 157 MB.
    assert int(out) * 1024 < 39e6 + 100e6


# --- Parameters ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("filters", 8, "'filters' parameter of SmallOCTNet"),
        ("filters", (0,), "filters must be positive integers"),
        ("filters", (2.5,), "filters must be positive integers"),
        ("filters", (4, 4, 4), "images of 12 x 12 pixels are too small for 3"),
        ("dense_units", None, "'dense_units' parameter of SmallOCTNet"),
        ("dense_units", ("8",), "dense_units must be positive integers"),
        ("dropout", 1, "'dropout' parameter of SmallOCTNet"),
        ("optimizer", "adan", r"optimizer must be one of \['adadelta'.*got 'adan'"),
        ("optimizer", keras.optimizers.Adam, "'optimizer' parameter of SmallOCTNet"),
        ("learning_rate", 0, "'learning_rate' parameter of SmallOCTNet"),
        ("epochs", 0, "'epochs' parameter of SmallOCTNet"),
        ("epochs", 1.5, "'epochs' parameter of SmallOCTNet"),
        ("batch_size", 0, "'batch_size' parameter of SmallOCTNet"),
        ("augmentation", "strong", "'augmentation' parameter of SmallOCTNet"),
        ("early_stopping", "loss", "'early_stopping' parameter of SmallOCTNet"),
        ("validation_fraction", 1.0, "'validation_fraction' parameter of SmallOCTNet"),
        ("n_iter_no_change", 0, "'n_iter_no_change' parameter of SmallOCTNet"),
        ("callbacks", "early", "'callbacks' parameter of SmallOCTNet"),
        ("warm_start", 2, "'warm_start' parameter of SmallOCTNet"),
        ("random_state", "seed", "'random_state' parameter of SmallOCTNet"),
        ("verbose", -1, "'verbose' parameter of SmallOCTNet"),
    ],
)
def test_wrong_parameters(method, name, value, message):
    with pytest.raises(ValueError, match=message):
        getattr(net(**{name: value}), method)(X, y)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layers", "Invalid parameter 'layers' for estimator SmallOCTNet"),
        ("optimizer__learning_rate", "'optimizer__learning_rate': optimizer is 'adam'"),
        ("model__filters", "Invalid parameter 'model' for estimator SmallOCTNet"),
        ("augmentation__angle", "Invalid parameter 'angle' for estimator OCTAugmenter"),
    ],
)
def test_unknown_parameters(name, message):
    with pytest.raises(ValueError, match=message):
        SmallOCTNet().set_params(**{name: 1})


def test_every_parameter_can_be_set(monkeypatch):
    # Or a machine without it would warn, see the tests of precision.
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: True)
    other = dict(
        filters=[3],
        dense_units=np.array([4]),
        dropout=0.5,
        optimizer="sgd",
        learning_rate=0.1,
        epochs=np.int64(2),
        batch_size=7,
        augmentation=None,
        class_weight="balanced",
        early_stopping=True,
        validation_fraction=0.5,
        n_iter_no_change=2,
        learning_rate_schedule="cosine",
        warmup_fraction=0.5,
        weight_decay=0.1,
        mixup=0.2,
        label_smoothing=0.1,
        ema_momentum=0.9,
        class_prior=[0.2, 0.3, 0.5],
        test_time_augmentation=True,
        precision="bfloat16",
        callbacks=[],
        init_from=None,  # these two depend on a network, see the tests of transfer
        freeze=None,
        checkpoint_dir=None,  # not with a warm start, see the tests of checkpoints
        warm_start=True,
        random_state=1,
        verbose=0,
    )
    estimator = SmallOCTNet()
    assert estimator.get_params().keys() == other.keys()
    assert estimator.set_params(**other) is estimator
    params = estimator.get_params()
    assert all(params[name] is value for name, value in other.items())
    estimator.fit(X, y)
    assert [type(layer).__name__ for layer in estimator.model_.layers] == [
        *("Conv2D", "Flatten", "Dense", "Dropout", "Dense")
    ]


# --- Copies and pictures of estimators -------------------------------------------------


def test_repr_shows_what_differs_from_the_defaults(fitted):
    assert repr(SmallOCTNet()) == "SmallOCTNet()"
    assert (
        repr(MediumOCTNet(epochs=5, optimizer="adam")) == "MediumOCTNet(optimizer='adam')"
    )
    assert repr(LargeOCTNet(augmentation=OCTAugmenter(zoom_range=0))) == (
        "LargeOCTNet(augmentation=OCTAugmenter(zoom_range=0))"
    )
    assert repr(fitted) == repr(clone(fitted))
    assert "learning_rate=0.01" in repr(fitted)


def test_html_repr(fitted):
    for estimator, state in [(net(), "Not fitted"), (fitted, "Fitted")]:
        page = estimator._repr_html_()
        assert "SmallOCTNet" in page
        assert f"<span>{state}</span>" in page
        assert "dense_units" in page


def test_clone_has_the_parameters_alone(fitted):
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert vars(copied).keys() == copied.get_params(deep=False).keys()
    with pytest.raises(NotFittedError):
        copied.predict(X)


def test_clone_copies_what_keeps_state():
    given = net(
        optimizer=keras.optimizers.Adam(0.1),
        augmentation=OCTAugmenter(zoom_range=0.3),
        callbacks=[Counter()],
    )
    copied = clone(given)
    assert copied.optimizer is not given.optimizer
    assert copied.optimizer.get_config() == given.optimizer.get_config()
    assert copied.augmentation is not given.augmentation
    assert copied.augmentation.get_params() == given.augmentation.get_params()
    assert copied.callbacks[0] is not given.callbacks[0]


@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda estimator: pickle.loads(pickle.dumps(estimator))],
    ids=["deepcopy", "pickle"],
)
def test_copies_predict_the_same(again, fitted):
    for method in METHODS:
        # Once it has predicted there are compiled functions, too.
        expected = getattr(fitted, method)(X)
        np.testing.assert_array_equal(getattr(again(fitted), method)(X), expected)
    other = again(fitted)
    assert other.get_params() == fitted.get_params()
    assert other.history_ == fitted.history_
    assert other.n_iter_ == fitted.n_iter_
    np.testing.assert_array_equal(other.classes_, fitted.classes_)


@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda estimator: pickle.loads(pickle.dumps(estimator))],
    ids=["deepcopy", "pickle"],
)
def test_copies_with_optimizer_callbacks_and_augmenter(again):
    estimator = net(
        optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9)),
        callbacks=[Counter()],
        augmentation=OCTAugmenter(zoom_range=0.3),
        early_stopping=True,
    )
    unfitted = again(estimator)
    assert unfitted.optimizer.get_config() == estimator.optimizer.get_config()
    assert unfitted.augmentation.zoom_range == 0.3
    estimator.fit(X, y)
    fitted = again(estimator)
    np.testing.assert_array_equal(fitted.predict_proba(X), estimator.predict_proba(X))
    assert fitted.callbacks_[0].epochs == estimator.callbacks_[0].epochs
    np.testing.assert_array_equal(
        weights(unfitted.fit(X, y)),
        weights(estimator),
        err_msg="unfitted copy, then fitted",
    )


@pytest.mark.filterwarnings("error:.*set_output")
def test_output_containers_of_transformers_do_not_matter(reference):
    with sklearn.config_context(transform_output="pandas"):
        estimator = net().fit(X, y)
        np.testing.assert_array_equal(weights(estimator), weights(reference))
        assert isinstance(estimator.predict_proba(X), np.ndarray)


# --- A network of one's own ------------------------------------------------------------


class OneLayerNet(
    BaseOCTNet,
    architecture=lambda input_shape, n_classes, *, filters, dense_units, dropout: (
        keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Flatten(),
                keras.layers.Dense(n_classes, use_bias=bool(dense_units)),
            ]
        )
    ),
    defaults=dict(epochs=1, augmentation=None, dense_units=()),
):
    """Logistic regression.

    Parameters
    ----------
    {parameters}
    """


def test_network_of_ones_own():
    estimator = OneLayerNet(random_state=0).fit(X, NAMES)
    assert estimator.model_.count_params() == 3 * 144
    assert estimator.optimizer == "nadam"
    assert 'epochs : int or "auto", default=1' in OneLayerNet.__doc__
    assert BaseOCTNet().epochs == 5
    other = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(other.predict_proba(X), estimator.predict_proba(X))
    with_bias = clone(estimator).set_params(dense_units=(1,)).fit(X, y)
    assert with_bias.model_.count_params() == 3 * 145


@pytest.mark.parametrize(
    "params",
    [
        {"batch_size": np.int64(8)},
        {"epochs": np.int32(1)},
        {"learning_rate": np.float32(0.01)},
        {"learning_rate": 1},
        {"dropout": np.float64(0.5)},
        {"filters": np.array([4])},
        {"early_stopping": np.True_, "validation_fraction": np.float32(0.2)},
        {"random_state": np.int64(3)},
    ],
    ids=str,
)
def test_numpy_numbers_as_parameters(params):
    assert net(**params).fit(X, y).predict(X).shape == y.shape


def test_classes_of_partial_fit_stay():
    estimator = net().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes must stay .*\[0, 1, 2\]; got \[0, 1\]"):
        estimator.partial_fit(X, y, classes=[1, 0])
    assert estimator.partial_fit(X, y, classes=[2, 1, 0]).n_iter_ == 2


def test_a_network_does_not_go_on_with_other_sizes():
    estimator = net(warm_start=True).fit(X, y).set_params(filters=(5,))
    with pytest.raises(
        ValueError, match=r"created with .*\[4\].* cannot be trained further with .*\[5\]"
    ):
        estimator.fit(X, y)
    assert estimator.set_params(warm_start=False).fit(X, y).model_.layers[0].filters == 5


def test_an_augmenter_that_resamples_is_refused():
    with pytest.raises(ValueError, match="leave n_copies and sampling_strategy at None"):
        net(augmentation=OCTAugmenter(n_copies=2)).fit(X, y)
    with pytest.raises(ValueError, match="leave n_copies and sampling_strategy at None"):
        net(augmentation=OCTAugmenter(sampling_strategy="all")).fit(X, y)


@pytest.mark.parametrize("one", [X[0], X[0][..., np.newaxis]], ids=["(h, w)", "(h, w, 1)"])
def test_one_image_alone_is_told_how(reference, one):
    with pytest.raises(ValueError, match=r"a single image; pass X\[np.newaxis\]"):
        reference.predict(one)


def test_progress_bar_counts_single_steps(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    net(verbose=1).fit(X, y)
    out = capsys.readouterr().out
    assert f"{-(-len(X) // 32)}/{-(-len(X) // 32)}" in out
    assert "\b" in out


def test_a_log_gets_lines_instead_of_a_bar(capsys):
    net(verbose=1).fit(X, y)
    out = capsys.readouterr().out
    assert re.fullmatch(r"\d+/\d+ - [ -~]+ loss: \d\.\d+\n", out)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_program_without_a_console(verbose, monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        assert net(verbose=verbose, early_stopping=True).fit(X, y).n_iter_ == 1
