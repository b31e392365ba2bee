import importlib.util
import io
import json
import pickle
import random
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import h5py
import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from helpers import TINY, toy_images
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import octsk
from octsk import MediumOCTNet, OCTAugmenter, SmallOCTNet
from octsk.architectures import small
from octsk.classifiers import BaseOCTNet

X, y = toy_images()
NAMES = np.array(["CNV", "DME", "NORMAL"])[y]


def net(**params):
    return SmallOCTNet(**{**TINY, **params})


def weights(estimator):
    return np.concatenate([w.ravel() for w in estimator.model_.get_weights()])


@pytest.fixture(scope="module")
def fitted():
    """Estimator with all that a file must keep; not to be changed."""
    return net(
        epochs=2,
        dropout=0.3,
        class_weight={"CNV": 2, "DME": 1.5},
        augmentation=OCTAugmenter(rotation_range=7, fill_mode="reflect", random_state=3),
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), momentum=0.5
        ),
        early_stopping=True,
    ).fit(X, NAMES)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """File of `fitted`; not to be changed."""
    path = tmp_path_factory.mktemp("saved") / "net.octsk"
    fitted.save(path)
    return path


# --- Round trips -----------------------------------------------------------------------


def test_loaded_estimator_is_the_saved_one(fitted, saved):
    loaded = octsk.load(saved)
    assert type(loaded) is SmallOCTNet
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(
            getattr(loaded, method)(X), getattr(fitted, method)(X)
        )
    np.testing.assert_array_equal(loaded.classes_, fitted.classes_)
    for name in ("history_", "n_iter_", "image_shape_", "n_features_in_", "class_names_"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert not hasattr(loaded, "feature_names_in_")
    assert loaded.score(X, NAMES) == fitted.score(X, NAMES)


def test_loaded_parameters_are_the_saved_ones(fitted, saved):
    ours, theirs = (e.get_params(deep=False) for e in (fitted, octsk.load(saved)))
    assert type(theirs["optimizer"]) is keras.optimizers.SGD
    assert theirs.pop("optimizer").get_config() == ours.pop("optimizer").get_config()
    assert theirs.pop("augmentation").get_params() == ours.pop("augmentation").get_params()
    assert theirs == ours
    assert {k: type(v) for k, v in theirs.items()} == {k: type(v) for k, v in ours.items()}


def test_training_goes_on_after_loading_as_it_would_have(fitted, saved):
    loaded = octsk.load(saved).partial_fit(X, NAMES)
    copied = pickle.loads(pickle.dumps(fitted)).partial_fit(X, NAMES)
    np.testing.assert_array_equal(weights(loaded), weights(copied))
    assert loaded.history_ == copied.history_
    assert loaded.n_iter_ == 3
    assert (weights(loaded) != weights(fitted)).any()


def test_loaded_parameters_train_the_same_network(saved):
    first, second = (clone(octsk.load(saved)).fit(X, NAMES) for _ in range(2))
    np.testing.assert_array_equal(weights(first), weights(second))


NEW_PROCESS = """
import sys
import joblib, numpy as np, octsk

X = np.load("X.npy")
estimators = {"octsk": octsk.load("net.octsk"), "joblib": joblib.load("net.joblib")}
for name, estimator in estimators.items():
    np.savez(
        name + ".npz",
        proba=estimator.predict_proba(X),
        predicted=estimator.predict(X),
        trained=estimator.partial_fit(X, estimator.predict(X)).predict_proba(X),
    )
"""


def test_round_trip_to_a_new_process(fitted, tmp_path):
    np.save(tmp_path / "X.npy", X)
    fitted.save(tmp_path / "net.octsk")
    joblib.dump(fitted, tmp_path / "net.joblib")
    subprocess.run([sys.executable, "-c", NEW_PROCESS], cwd=tmp_path, check=True)
    here = pickle.loads(pickle.dumps(fitted)).partial_fit(X, fitted.predict(X))
    for name in ("octsk", "joblib"):
        with np.load(tmp_path / f"{name}.npz") as there:
            np.testing.assert_array_equal(there["proba"], fitted.predict_proba(X))
            np.testing.assert_array_equal(there["predicted"], fitted.predict(X))
            np.testing.assert_allclose(there["trained"], here.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [
        NAMES.astype(object),
        pd.Series(NAMES),
        np.array(["é", "網膜", "a b"])[y],
        y == 1,
        10 * y - 10,
        y.astype(np.uint8),
        y.astype(">i2"),
        y.astype(float),
    ],
    ids=lambda labels: str(np.asarray(labels).dtype),
)
def test_labels_of_any_kind(labels, tmp_path):
    estimator = net(dense_units=(), optimizer="sgd").initialize(X, labels)
    estimator.save(tmp_path / "net")
    loaded = octsk.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.classes_, estimator.classes_)
    assert loaded.classes_.dtype == estimator.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    loaded.partial_fit(X, labels)


@pytest.mark.parametrize(
    "params",
    [
        dict(filters=[3], dense_units=np.array([5, 4])),
        dict(epochs=np.int64(3), learning_rate=np.float64(0.5), early_stopping=np.True_),
        dict(class_weight="balanced", augmentation=None, random_state=None),
        dict(class_weight={0: 1, np.int64(1): np.float32(2), 2: 0.5}, augmentation=False),
        dict(optimizer="nadam", augmentation=True, warm_start=True, batch_size=7),
        dict(optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0)),
        dict(callbacks=None, verbose=0, validation_fraction=0.3, n_iter_no_change=9),
    ],
    ids=lambda params: ", ".join(params),
)
def test_parameters_of_any_kind(params, tmp_path):
    estimator = net(**params).initialize(X, y)
    estimator.save(tmp_path / "net")
    loaded = octsk.load(tmp_path / "net").get_params()
    for name, value in params.items():
        if isinstance(value, keras.optimizers.Optimizer):
            assert loaded[name].get_config() == value.get_config()
        else:
            np.testing.assert_equal(loaded[name], value)


def test_column_names_are_kept(tmp_path):
    frame = pd.DataFrame(X.reshape(60, -1)).add_prefix("pixel")
    net().initialize(frame, y).save(tmp_path / "net")
    loaded = octsk.load(tmp_path / "net")
    assert list(loaded.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[frame.columns[::-1]])


def test_colour_images_that_are_not_square(tmp_path):
    images = np.repeat(X[:, :, :9, None], 3, axis=3)
    estimator = net().initialize(images, y)
    estimator.save(tmp_path / "net")
    loaded = octsk.load(tmp_path / "net")
    assert loaded.image_shape_ == (12, 9, 3)
    np.testing.assert_array_equal(
        loaded.predict_proba(images.reshape(60, -1)), estimator.predict_proba(images)
    )


def test_class_names(saved, tmp_path):
    loaded = octsk.load(saved)
    names = ["neovascular", "oedema", "healthy"]
    loaded.save(tmp_path / "named", class_names=names)
    named = octsk.load(tmp_path / "named")
    assert named.class_names_ == names
    named.save(tmp_path / "again")
    assert octsk.load(tmp_path / "again").class_names_ == names
    with pytest.raises(ValueError, match="class_names must be 3 names"):
        loaded.save(tmp_path / "wrong", class_names=names[:2])
    assert not (tmp_path / "wrong").exists()


class TwinOCTNet(BaseOCTNet, architecture=small, defaults=dict(epochs=1)):
    """Estimator of one's own."""


def test_estimator_of_ones_own(tmp_path):
    TwinOCTNet(**TINY).initialize(X, y).save(tmp_path / "net")
    assert type(octsk.load(tmp_path / "net")) is TwinOCTNet


def test_path_may_be_text_and_is_taken_as_it_is(fitted, tmp_path):
    path = tmp_path / "net.anything"
    path.write_text("to be overwritten")
    fitted.save(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["net.anything"]
    np.testing.assert_array_equal(octsk.load(str(path)).predict(X), fitted.predict(X))


def test_what_cannot_be_saved_is_said(tmp_path):
    estimator = net(
        callbacks=[keras.callbacks.TerminateOnNaN()],
        augmentation=OCTAugmenter(random_state=np.random.RandomState(0)),
    ).initialize(X, y)
    # Keras warns of its own (3.15, NumPy 2.4).
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        estimator.save(tmp_path / "net")
    texts = sorted(
        str(w.message).split("=")[0] for w in record if w.category is UserWarning
    )
    assert texts == ["the parameter callbacks", "the parameter random_state"]
    loaded = octsk.load(tmp_path / "net")
    assert loaded.callbacks is None
    assert loaded.augmentation.random_state is None


def test_loading_leaves_the_random_states_alone(saved):
    before = random.getstate(), repr(np.random.get_state(legacy=False))  # noqa: NPY002
    octsk.load(saved)
    after = random.getstate(), repr(np.random.get_state(legacy=False))  # noqa: NPY002
    assert after == before


def test_nothing_in_the_file_is_pickled(saved):
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == ["estimator.json", "model.keras"]
        json.loads(archive.read("estimator.json"))
        with zipfile.ZipFile(io.BytesIO(archive.read("model.keras"))) as model:
            assert sorted(model.namelist()) == [
                "config.json",
                "metadata.json",
                "model.weights.h5",
            ]


# --- Files that are whole or absent ----------------------------------------------------


def test_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        net().save(tmp_path / "net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fails", ["writestr", "write"])
@pytest.mark.parametrize("before", [None, b"what was there"])
def test_failed_save_leaves_the_folder_as_it_was(
    before, fails, fitted, tmp_path, monkeypatch
):
    path = tmp_path / "net.octsk"
    if before is not None:
        path.write_bytes(before)
    method = getattr(zipfile.ZipFile, fails)

    def disk_full(self, *args, **kwargs):
        # Not the archive that Keras makes first, elsewhere.
        if Path(self.filename or "").parent != tmp_path:
            return method(self, *args, **kwargs)
        self.fp.write(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, fails, disk_full)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["net.octsk"])
    assert before is None or path.read_bytes() == before


def test_save_where_no_file_can_be(fitted, tmp_path):
    with pytest.raises(FileNotFoundError):
        fitted.save(tmp_path / "no folder" / "net")
    with pytest.raises(IsADirectoryError):
        fitted.save(tmp_path)
    assert not list(tmp_path.iterdir())
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


# --- Files that are none of ours -------------------------------------------------------


def test_no_file():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.octsk"):
        octsk.load("nowhere.octsk")


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError):
        octsk.load(tmp_path)


def foreign(kind, path):
    if kind == "text":
        path.write_text("epochs: 5")
    elif kind == "empty":
        path.touch()
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"format": 1}))
    elif kind == "empty zip":
        zipfile.ZipFile(path, "w").close()
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, images=X)
    elif kind == "keras":
        small((12, 12, 1), 3, filters=(2,)).save(path.with_suffix(".keras"))
        path.with_suffix(".keras").rename(path)
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "pickle", "empty zip", "npz", "keras"])
def test_foreign_files(kind, tmp_path):
    path = foreign(kind, tmp_path / "file")
    with pytest.raises(ValueError, match=r"file' cannot be loaded as an octsk model \("):
        octsk.load(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_truncated_files(share, saved, tmp_path):
    whole = saved.read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cut' cannot be loaded"):
        octsk.load(path)


def test_flipped_bits(saved, fitted, tmp_path):
    whole = saved.read_bytes()
    expected = fitted.predict_proba(X)
    path = tmp_path / "flipped"
    refused = 0
    for place in np.linspace(0, len(whole) - 1, 41).astype(int):
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        try:
            loaded = octsk.load(path)
        except ValueError as error:
            assert "flipped' cannot be loaded" in str(error)  # noqa: PT017
            refused += 1
        else:
            # A byte without meaning, such as one of a date.
            np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert refused > 35


def rewritten(saved, path, *, change=None, model=None):
    """Write a file of ours with another description or another network."""
    with zipfile.ZipFile(saved) as archive:
        state = json.loads(archive.read("estimator.json"))
        model = archive.read("model.keras") if model is None else model
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("estimator.json", json.dumps(change(state) if change else state))
        archive.writestr("model.keras", model)
    return path


def test_rewritten_file_loads(saved, fitted, tmp_path):
    loaded = octsk.load(rewritten(saved, tmp_path / "net"))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


DAMAGES = {
    "no description": (lambda state: [], "describes no estimator"),
    "no format": (lambda state: {"class": "SmallOCTNet"}, "describes no estimator"),
    "later format": (
        lambda state: {**state, "format": 99},
        "format 99, this octsk .* reads 1",
    ),
    "no class": (lambda state: {k: v for k, v in state.items() if k != "class"}, "'class'"),
    "no seed": (lambda state: {k: v for k, v in state.items() if k != "seed"}, "'seed'"),
    "class not imported": (
        lambda state: {**state, "class": "HugeOCTNet"},
        "holds a HugeOCTNet; import its class before loading",
    ),
    "unknown parameter": (
        lambda state: {**state, "params": {**state["params"], "layers": 3}},
        "layers",
    ),
    "no parameters": (lambda state: {**state, "params": None}, "AttributeError"),
    "fewer classes": (
        lambda state: {**state, "classes": {"dtype": "<U3", "values": ["CNV", "DME"]}},
        "network does not fit",
    ),
    "another image shape": (
        lambda state: {**state, "image_shape": [12, 13, 1]},
        "network does not fit",
    ),
    "objects as labels": (
        lambda state: {**state, "classes": {"dtype": "nonsense", "values": [0, 1, 2]}},
        "nonsense",
    ),
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_descriptions(change, message, saved, tmp_path):
    path = rewritten(saved, tmp_path / "net", change=change)
    with pytest.raises(
        ValueError, match=f"net' cannot be loaded as an octsk model.*{message}"
    ):
        octsk.load(path)


def archive_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"nothing of Keras",
        archive_of(config__json="{}"),
        archive_of(config__json="{}", metadata__json="{}"),
    ],
    # Not by their bytes, in which the time is.
    ids=["empty", "text", "no weights", "no weights, but metadata"],
)
def test_damaged_networks(model, saved, tmp_path):
    path = rewritten(saved, tmp_path / "net", model=model)
    with pytest.raises(ValueError, match="net' cannot be loaded as an octsk model"):
        octsk.load(path)


def test_damaged_weights(saved, tmp_path):
    with zipfile.ZipFile(saved) as archive:
        inner = io.BytesIO(archive.read("model.keras"))
    with zipfile.ZipFile(inner) as model:
        members = {n.replace(".", "__"): model.read(n) for n in model.namelist()}
    members["model__weights__h5"] = b"no HDF5"
    path = rewritten(saved, tmp_path / "net", model=archive_of(**members))
    with pytest.raises(ValueError, match="net' cannot be loaded as an octsk model"):
        octsk.load(path)


def test_code_in_a_network_is_refused_and_not_run(saved, tmp_path):
    trace = tmp_path / "it ran"
    touch = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
            keras.layers.Lambda(eval(f"lambda x: ({touch}, x)[1]")),
        ]
    )
    trace.unlink()
    model.save(tmp_path / "lambda.keras")
    trace.unlink(missing_ok=True)
    path = rewritten(
        saved, tmp_path / "net", model=(tmp_path / "lambda.keras").read_bytes()
    )
    with pytest.raises(ValueError, match=r"cannot be loaded.*[Ll]ambda"):
        octsk.load(path)
    assert not trace.exists()


# --- Keras 2 .h5 files -----------------------------------------------------------------

needs_tf_keras = pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="needs the tf-keras package"
)

WRITE_H5 = """
import sys
import numpy as np
import tf_keras as keras
from tf_keras import layers

X = np.load("X.npy")[..., None] / np.float32(255)
y = np.arange(len(X)) % 4
keras.utils.set_random_seed(0)  # some seeds give a network without an answer


def network(filters, dense_units, input_shape, names):
    model = keras.Sequential()
    for i, n in enumerate(filters):
        if i > 0:
            model.add(layers.MaxPooling2D((2, 2)))
        # As in the report's annex: the first layer may lack its input shape.
        shape = {"input_shape": input_shape} if i == 0 and input_shape else {}
        name = {"name": f"layer{i}" * 4000} if names == "long" else {}
        model.add(layers.Conv2D(n, (3, 3), activation="relu", **shape, **name))
    model.add(layers.Flatten())
    for n in dense_units:
        model.add(layers.Dense(n, activation="relu"))
    model.add(layers.Dense(4))
    model.compile(
        optimizer="nadam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def write(name, filters, dense_units, input_shape=None, names=None):
    model = network(filters, dense_units, input_shape, names)
    if names or not input_shape:
        # Trained and so built, as the report's networks were.
        model.fit(X, y, epochs=1, verbose=0)
    model.save(name + "-model.h5")
    model.save_weights(name + "-weights.h5")
    np.save(name + ".npy", model.predict(X, verbose=0))


write("small-declared", (32, 32), (64,), (28, 28, 1))
write("small-undeclared", (32, 32), (64,))
write("medium-undeclared", (4, 5, 6), (7, 8))
write("medium-long", (4, 5, 6), (7, 8), (28, 28, 1), "long")
"""
MEDIUM = dict(filters=(4, 5, 6), dense_units=(7, 8))
SCANS = toy_images(n=40, n_classes=4, side=28, seed=3)[0]


@pytest.fixture(scope="module")
def h5_folder(tmp_path_factory):
    """Folder of files that tf-keras wrote, in a process without Keras 3."""
    folder = tmp_path_factory.mktemp("h5")
    np.save(folder / "X.npy", SCANS)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITE_H5],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@needs_tf_keras
@pytest.mark.parametrize("kind", ["model", "weights"])
@pytest.mark.parametrize(
    ("name", "cls", "params"),
    [
        ("small-declared", SmallOCTNet, {}),
        ("small-undeclared", SmallOCTNet, {}),
        ("medium-undeclared", MediumOCTNet, MEDIUM),
        ("medium-long", MediumOCTNet, MEDIUM),
    ],
)
def test_from_h5_predicts_as_tf_keras_did(name, cls, params, kind, h5_folder):
    estimator = cls.from_h5(h5_folder / f"{name}-{kind}.h5", **params)
    expected = np.load(h5_folder / f"{name}.npy")
    assert np.ptp(expected, axis=0).min() > 1e-3
    np.testing.assert_allclose(estimator.decision_function(SCANS), expected, atol=1e-5)
    np.testing.assert_allclose(
        estimator.predict_proba(SCANS), softmax(expected, axis=1), atol=1e-5
    )
    np.testing.assert_array_equal(estimator.predict(SCANS), expected.argmax(axis=1))
    assert list(estimator.classes_) == [0, 1, 2, 3]


@needs_tf_keras
def test_long_names_are_split_over_attributes(h5_folder):
    # The file that shows it: HDF5 bounds the size of an attribute.
    with h5py.File(h5_folder / "medium-long-weights.h5") as file:
        assert "layer_names" not in file.attrs
        assert "layer_names0" in file.attrs


@needs_tf_keras
def test_from_h5_gives_an_estimator_to_use(h5_folder, tmp_path):
    path = h5_folder / "medium-undeclared-model.h5"
    names = ["NORMAL", "CNV", "DRUSEN", "DME"]
    estimator = MediumOCTNet.from_h5(
        str(path), classes=names, random_state=0, augmentation=None, **MEDIUM
    )
    # The classes are sorted, the probabilities with them.
    assert list(estimator.classes_) == sorted(names)
    logits = np.load(h5_folder / "medium-undeclared.npy")
    np.testing.assert_array_equal(
        estimator.predict(SCANS), np.array(names)[logits.argmax(axis=1)]
    )
    np.testing.assert_allclose(
        estimator.decision_function(SCANS), logits[:, np.argsort(names)], atol=1e-5
    )
    assert estimator.get_params()["filters"] == (4, 5, 6)
    assert estimator.n_iter_ == 0
    assert (estimator.image_shape_, estimator.n_features_in_) == ((28, 28, 1), 784)
    estimator.save(tmp_path / "net")
    labels = np.array(names)[np.arange(40) % 4]
    trained = octsk.load(tmp_path / "net").partial_fit(SCANS, labels)
    estimator.partial_fit(SCANS, labels)
    np.testing.assert_array_equal(weights(trained), weights(estimator))
    assert (estimator.decision_function(SCANS) != logits).any()
    assert estimator.n_iter_ == 1


@needs_tf_keras
@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (MediumOCTNet, {}, r"do not fit MediumOCTNet\(\) on images of shape \(28, 28, 1\)"),
        (SmallOCTNet, MEDIUM, "do not fit SmallOCTNet"),
        (SmallOCTNet, dict(image_shape=(30, 30, 1)), "on images of shape .30, 30, 1."),
        (SmallOCTNet, dict(image_shape=(28, 28, 3)), "on images of shape .28, 28, 3."),
        (SmallOCTNet, dict(image_shape=(28, 28)), r"image_shape must be .* got \(28, 28\)"),
        (SmallOCTNet, dict(image_shape=(4, 4, 1)), "images of 4 x 4 pixels are too small"),
        (
            SmallOCTNet,
            dict(classes=["a", "b"]),
            r"classes must be 4 different .*\['a', 'b'\]",
        ),
        (SmallOCTNet, dict(classes=[1, 2, 3, 3]), "classes must be 4 different labels"),
        (SmallOCTNet, dict(epochs=0), "'epochs' parameter of SmallOCTNet"),
    ],
)
def test_h5_file_of_another_network(cls, params, message, h5_folder):
    with pytest.raises(ValueError, match=message):
        cls.from_h5(h5_folder / "small-undeclared-model.h5", **params)


@needs_tf_keras
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_truncated_h5_file(share, h5_folder, tmp_path):
    whole = (h5_folder / "small-declared-model.h5").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"cut\.h5' is not a Keras \.h5 file"):
        SmallOCTNet.from_h5(path)


def write_h5(path, layer_names, **layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = layer_names
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    return path


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (dict(layer_names=[b"dense"]), "is not a Keras .h5 file"),
        (dict(layer_names=3), "is not a Keras .h5 file"),
        (dict(layer_names=[]), "does not end in a dense layer"),
        (
            dict(layer_names=[b"conv"], conv=dict(k=np.zeros((3, 3, 1, 4)), b=np.zeros(4))),
            r"does not end in a dense layer's kernel.*\(3, 3, 1, 4\)",
        ),
        (
            dict(layer_names=[b"out"], out=dict(k=np.zeros((9, 3)), b=np.zeros(3))),
            "do not fit SmallOCTNet",
        ),
    ],
)
def test_h5_files_that_hold_something_else(contents, message, tmp_path):
    path = write_h5(tmp_path / "file.h5", **contents)
    with pytest.raises(ValueError, match=message):
        SmallOCTNet.from_h5(path)


def test_what_is_no_h5_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file .*nowhere\.h5"):
        SmallOCTNet.from_h5("nowhere.h5")
    with pytest.raises(IsADirectoryError, match=r"is a folder, not a Keras \.h5 file"):
        SmallOCTNet.from_h5(tmp_path)
    path = Path(tmp_path, "text.h5")
    path.write_text("weights")
    with pytest.raises(ValueError, match=r"text\.h5' is not a Keras \.h5 file"):
        SmallOCTNet.from_h5(path)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["images"] = X
    with pytest.raises(ValueError, match=r"foreign\.h5' is not a Keras \.h5 file"):
        SmallOCTNet.from_h5(tmp_path / "foreign.h5")


def test_an_optimizer_that_could_not_be_loaded_is_refused(tmp_path):
    class HomeMadeSGD(keras.optimizers.SGD):
        """An optimizer that Keras does not know."""

    clf = net(optimizer=HomeMadeSGD(0.01)).fit(X, y)
    with pytest.raises(ValueError, match="register_keras_serializable"):
        clf.save(tmp_path / "a.octsk")
    assert not list(tmp_path.iterdir())


def test_own_layout_of_keras_3_is_named(fitted, tmp_path):
    fitted.model_.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="Keras 3's own layout"):
        SmallOCTNet.from_h5(tmp_path / "a.weights.h5")


def test_a_link_stays_and_its_target_is_replaced(fitted, tmp_path):
    (tmp_path / "target.octsk").write_text("old")
    (tmp_path / "link.octsk").symlink_to("target.octsk")
    fitted.save(tmp_path / "link.octsk")
    assert (tmp_path / "link.octsk").is_symlink()
    octsk.load(tmp_path / "target.octsk")


@pytest.mark.parametrize("place", ["no_folder/a.octsk", "."])
def test_errors_of_writing_name_the_file_asked_for(fitted, tmp_path, place):
    with pytest.raises(
        OSError, match=re.escape(str(tmp_path / place).rstrip("."))
    ) as error:
        fitted.save(tmp_path / place)
    assert error.value.filename == str((tmp_path / place).resolve())
