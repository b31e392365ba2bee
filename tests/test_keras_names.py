"""Keras's and scikeras's names: the errors say what octsk has instead."""

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import LabelEncoder

from octsk import SmallOCTNet
from octsk.classifiers import BaseOCTNet

X, y = toy_images(12)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("validation_data", "Pass X_val and y_val to fit"),
        ("eval_set", "Pass X_val and y_val to fit"),
        ("validation_split", "early_stopping=True and validation_fraction"),
        ("epochs", "Set the parameter 'epochs' in the constructor or by set_params"),
        ("callbacks", "Set the parameter 'callbacks'"),
        ("batch_size", "Set the parameter 'batch_size'"),
        ("fit__epochs", "Set the parameter 'epochs'"),
        ("shuffle", "random order"),
        ("initial_epoch", "warm_start=True or partial_fit"),
    ],
)
def test_arguments_of_keras(method, name, instead):
    train = getattr(SmallOCTNet(**TINY), method)
    with pytest.raises(
        TypeError, match=rf"{method}\(\) has no argument {name!r}.*{instead}"
    ):
        train(X, y, **{name: 1})


def test_arguments_of_nobody():
    with pytest.raises(TypeError, match=r"^SmallOCTNet.fit\(\) has no argument 'colour'.$"):
        SmallOCTNet(**TINY).fit(X, y, colour=1)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'colour'$"):
        SmallOCTNet(colour=1)


def test_arguments_through_a_search():
    search = GridSearchCV(SmallOCTNet(**TINY), {"epochs": [1]}, cv=2, error_score="raise")
    with pytest.raises(TypeError, match="Pass X_val and y_val to fit"):
        search.fit(X, y, validation_data=(X, y))


NAMES = [
    ("optimizer__learning_rate", "Set the parameter 'learning_rate'"),
    ("model__filters", "Set the parameter 'filters'"),
    ("fit__verbose", "Set the parameter 'verbose'"),
    ("optimizer__momentum", "Keras object that was created with momentum="),
    ("callbacks__patience", "Keras object that was created with patience="),
    ("patience", "n_iter_no_change"),
    ("lr", "called learning_rate"),
    ("loss", "cross-entropy"),
    ("metrics", "history_"),
    ("model", "subclass of octsk.classifiers.BaseOCTNet"),
]


@pytest.mark.parametrize(("name", "instead"), NAMES)
def test_parameters_of_scikeras(name, instead):
    with pytest.raises(TypeError, match=f"argument '{name}'.*{instead}"):
        SmallOCTNet(**{name: 1})
    with pytest.raises(ValueError, match=f"(?s)Invalid parameter.*{instead}"):
        SmallOCTNet().set_params(**{name: 1})


@pytest.mark.parametrize(
    "callbacks", [keras.callbacks.EarlyStopping(), [keras.callbacks.EarlyStopping()], None]
)
def test_parameters_of_a_callback(callbacks):
    with pytest.raises(ValueError, match=r"callbacks is .*, which has no parameters"):
        SmallOCTNet(callbacks=callbacks).set_params(callbacks__patience=3)


def test_inherited_names_can_be_read():
    fitted = SmallOCTNet(**TINY)
    for _ in range(2):
        assert isinstance(fitted.target_encoder, LabelEncoder)
        assert (fitted.feature_encoder.fit_transform(X) == X).all()
        fitted.fit(X, y)
    assert fitted.scorer(y, y) == 1


@pytest.mark.parametrize(
    "name", ["target_encoder", "feature_encoder", "scorer", "_keras_build_fn"]
)
def test_hooks_of_scikeras_are_not_silently_ignored(name):
    with pytest.raises(TypeError, match=f"Own defines {name}, which scikeras uses"):
        type(BaseOCTNet)("Own", (SmallOCTNet,), {name: None})


def test_adafactors_nan_is_not_blamed_on_the_learning_rate():
    images = np.zeros((8, 12, 12), np.uint8)
    images[::2, 3] = 255
    lost = SmallOCTNet(**{**TINY, "epochs": 3}, optimizer="adafactor", augmentation=None)
    with pytest.raises(ValueError, match=r"divides 0 by 0.*epsilon_1=1e-15\) may help"):
        lost.fit(images, [0, 1] * 4)
    lost.set_params(optimizer=keras.optimizers.Adafactor(epsilon_1=1e-15))
    assert np.isfinite(lost.fit(images, [0, 1] * 4).history_["loss"]).all()
