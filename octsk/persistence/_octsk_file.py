"""Saving and loading of estimators as zip archives, and of Keras 2 ``.h5`` files."""

import importlib.metadata
import io
import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

from octsk._version import __version__
from octsk.persistence._encoding import decode_params, encode_params
from octsk.persistence._h5_check import read_h5_names
from octsk.persistence._keras_config import check_config, count_weights
from octsk.training import check_settings, network_arguments, seeded_layers
from octsk.utils.file_kinds import HDF5, MODEL, check_is_file, recognise
from octsk.utils.files import atomic_write, temporary_folder
from octsk.utils.json import parse_json
from octsk.utils.tensorflow import keras
from octsk.utils.untrusted import check_h5, check_zip_names, printable

_FORMAT = 1
_STATE = "estimator.json"
_MODEL = "model.keras"
# Members of the file of a Keras model that was saved without assets.
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_KERAS_MEMBERS = (_CONFIG, "metadata.json", _WEIGHTS)
# Maximum sizes of the descriptions, which are small in files written by octsk.
_MAX_STATE_BYTES = 8 * 2**20
_MAX_CONFIG_BYTES = 2 * 2**20
# Maximum number of constants in a network, which its weights file does not contain. These
# are the means and variances with which Normalization layers were constructed.
_MAX_CONSTANTS = 2**20


def save(estimator, path, class_names, gate=None):
    """Write a fitted estimator to `path`; see ``BaseOCTNet.save``."""
    classes = estimator.classes_
    state = {
        "format": _FORMAT,
        "octsk": __version__,
        "keras": importlib.metadata.version("keras"),
        "class": type(estimator).__name__,
        # init_from is not needed, since the file contains all weights.
        "params": encode_params({**estimator.get_params(deep=False), "init_from": None}),
        "classes": {"dtype": classes.dtype.str, "values": classes.tolist()},
        "class_names": class_names,
        "gate": gate,
        "image_shape": estimator.image_shape_,
        "feature_names": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        "seed": estimator._random_state,
        "history": estimator.history_,
        "interrupted": estimator.interrupted_,
        "n_weights_transferred": estimator.n_weights_transferred_,
        "class_prior": None
        if estimator.class_prior_ is None
        else estimator.class_prior_.tolist(),
    }
    with atomic_write(path) as temporary, temporary_folder(temporary) as folder:
        model_file = folder / _MODEL
        estimator.model_.save(model_file)
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_STATE, json.dumps(state, indent=1))
            # The Keras file is a zip archive itself, so compressing it would gain nothing.
            archive.write(model_file, _MODEL)


def load(path, known):
    """Load an estimator whose class is one of `known`; see ``octsk.load``."""
    return _read(path, lambda state, model: _restore(state, model, known))


def load_network(path):
    """Return the class name and the Keras model in a file written by `save`.

    Unlike for ``octsk.load``, the class of the estimator need not be imported.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, ValueError
        As in ``octsk.load``.
    """
    return _read(path, lambda state, model: (state["class"], model))


def _read(path, make):
    """Read and check a file, and return ``make(state, model)`` for its contents."""
    check_settings()
    path = Path(path)
    check_is_file(path, "an octsk model")
    kind = recognise(path)
    if kind not in (None, MODEL):
        raise ValueError(f"{printable(path)!r} cannot be loaded as an octsk model ({kind})")
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip_names(archive, (_STATE, _MODEL))
            state = _read_state(archive)
            model = _read_model(archive)
        return make(state, model)
    except Exception as error:
        # h5py, zipfile and Keras raise many types of errors for damaged files.
        raise ValueError(
            f"{printable(path)!r} cannot be loaded as an octsk model "
            f"({type(error).__name__}: {printable(error)})"
        ) from error


def _read_state(archive):
    state = _read_json_member(archive, _STATE, _MAX_STATE_BYTES)
    if not isinstance(state, dict) or "format" not in state:
        raise ValueError(f"its {_STATE} does not describe an estimator")
    if state["format"] != _FORMAT:
        raise ValueError(
            f"it has format {state['format']!r}, but octsk {__version__} reads {_FORMAT}"
        )
    return state


def _read_json_member(archive, name, max_bytes):
    if archive.getinfo(name).file_size > max_bytes:
        raise ValueError(f"its {name} is larger than {max_bytes:,} bytes")
    return parse_json(archive.read(name))


def _read_model(archive):
    """Check the Keras model in an archive, and load it."""
    with tempfile.TemporaryDirectory() as folder:
        archive.extract(_MODEL, folder)
        path = Path(folder) / _MODEL
        # Use a fixed seed, since Keras initializes the layers before it assigns their
        # weights.
        with seeded_layers(0):
            _check_model(path)
            return keras.saving.load_model(path, safe_mode=True)


def _check_model(path):
    """Check that a Keras file contains a network of built-in layers and all its weights."""
    with zipfile.ZipFile(path) as archive:
        check_zip_names(archive, _KERAS_MEMBERS)
        config = _read_json_member(archive, _CONFIG, _MAX_CONFIG_BYTES)
        weights = archive.read(_WEIGHTS)
    with h5py.File(io.BytesIO(weights), "r") as file:
        n_numbers = check_h5(file, len(weights))
    check_config(config)
    n_weights = count_weights(config)
    if n_weights > n_numbers + _MAX_CONSTANTS:
        raise ValueError(
            f"its network has {n_weights:,} weights and constants, but the file contains "
            f"{n_numbers:,} numbers"
        )


def _restore(state, model, known):
    classes_by_name = {cls.__name__: cls for cls in known}
    if state["class"] not in classes_by_name:
        raise ValueError(
            f"it contains a {state['class']}; import this class before loading. The known "
            f"classes are {sorted(classes_by_name)}."
        )
    # An untrusted file must not determine which files a training reads and writes.
    params = decode_params(state["params"]) | {"checkpoint_dir": None, "init_from": None}
    estimator = classes_by_name[state["class"]](**params)
    classes = _read_classes(**state["classes"])
    estimator.target_encoder_ = estimator.target_encoder.fit(classes)
    estimator.classes_ = classes
    estimator.class_names_ = state["class_names"]
    estimator.image_shape_ = tuple(state["image_shape"])
    estimator.n_features_in_ = int(np.prod(estimator.image_shape_))
    if state["feature_names"]:
        estimator.feature_names_in_ = np.array(state["feature_names"], dtype=object)
    estimator._random_state = state["seed"]
    estimator.history_ = state["history"]
    estimator.n_iter_ = len(state["history"]["loss"])
    estimator.interrupted_ = bool(state.get("interrupted", False))
    estimator.n_weights_transferred_ = int(state.get("n_weights_transferred", 0))
    estimator._init_sha256 = None
    prior = state.get("class_prior")
    estimator.class_prior_ = None if prior is None else np.array(prior)
    if model.input_shape[1:] != estimator.image_shape_ or model.output_shape[1:] != (
        len(classes),
    ):
        raise ValueError("its network does not fit its image shape and classes")
    estimator.model_ = model
    estimator._made_with = network_arguments(estimator)
    # Files written by older versions contain no gate.
    estimator._decode_gate(state.get("gate"))
    return estimator


def _read_classes(values, dtype):
    dtype = np.dtype(dtype)
    # In a damaged file, the dtype may claim that each label is millions of characters long.
    if len(values) * dtype.itemsize > _MAX_STATE_BYTES:
        raise ValueError(f"its {len(values)} classes of type {dtype} are too large")
    return np.array(values, dtype)


def read_h5_weights(path):
    """Read the weight arrays of a Keras 2 ``.h5`` file, in layer order.

    Parameters
    ----------
    path : str or path-like
        Whole-model or weights-only file.

    Returns
    -------
    list of ndarray
        The arrays. In each layer, the kernel precedes the bias.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If it is not a Keras 2 ``.h5`` file, if a weight is not finite, or if the last layer
        is not a dense layer.
    """
    path = Path(path)
    check_is_file(path, "a Keras .h5 file")
    kind = recognise(path)
    if kind not in (None, HDF5):
        raise ValueError(f"{printable(path)!r} is not a Keras .h5 file: {kind}")
    try:
        places = read_h5_names(path)
        with h5py.File(path, "r") as file:
            arrays = [file[root][layer][name] for root, layer, name in places]
            # Several names may refer to the same array, so check the total size.
            if sum(array.nbytes for array in arrays) > path.stat().st_size:
                raise ValueError("its names refer to more numbers than it contains")
            weights = [np.asarray(array) for array in arrays]
    except (
        AttributeError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        raise ValueError(
            f"{printable(path)!r} is not a Keras .h5 file: {printable(error)}"
        ) from error
    if not all(np.isfinite(w).all() for w in weights):
        raise ValueError(f"{str(path)!r} contains weights that are NaN or infinite.")
    if len(weights) < 2 or weights[-2].ndim != 2 or weights[-1].ndim != 1:
        raise ValueError(
            f"{str(path)!r} does not end in a dense layer's kernel and bias; it has arrays "
            f"of shapes {[w.shape for w in weights]}."
        )
    return weights
