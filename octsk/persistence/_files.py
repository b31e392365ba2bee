"""Saving and loading of estimators as zip archives, and of Keras 2 ``.h5`` files."""

import copy
import importlib.metadata
import io
import json
import math
import os
import tempfile
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np

from octsk._version import __version__
from octsk.augmentation import OCTAugmenter
from octsk.persistence._h5_check import read_h5_names
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
# Key under which Keras 3.15 stores the list of variables that are not initialized yet.
_WAITING_VARIABLES = "uninitialized_variables"

# Modules of the objects that a network may contain besides layers. The safe mode of Keras
# accepts every object that Keras exports, some of which read files.
_KERAS_MODULES = {
    "builtins",  # functions, which Keras only looks up among its own
    "keras.activations",
    "keras.constraints",
    "keras.initializers",
    "keras.losses",
    "keras.metrics",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.regularizers",
}
_KERAS_CLASSES = {
    ("keras", "DTypePolicy"),
    ("keras", "Functional"),
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
}
# Class names with leading underscores that Keras writes for tensors, slices and ellipses.
# All others are rejected, since Keras runs code for one of them.
_KERAS_MARKS = {"__ellipsis__", "__keras_tensor__", "__slice__"}
# Subpackages of keras.src.layers whose layers can neither run code nor read files.
_LAYER_FAMILIES = {
    "activations",
    "attention",
    "convolutional",
    "core",
    "merging",
    "normalization",
    "pooling",
    "regularization",
    "reshaping",
    "rnn",
}
# Harmless layers in subpackages that also contain other layers.
_MORE_LAYERS = {
    "CenterCrop",
    "Normalization",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "Rescaling",
    "Resizing",
}


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
    _check_config(config)
    n_weights = _count_weights(config)
    if n_weights > n_numbers + _MAX_CONSTANTS:
        raise ValueError(
            f"its network has {n_weights:,} weights and constants, but the file contains "
            f"{n_numbers:,} numbers"
        )


def _check_config(config):
    """Check that no object in a Keras configuration could run code or read files.

    Raises
    ------
    ValueError
        If the configuration names a class that is neither a harmless class of Keras nor
        registered with Keras by an imported module.
    """
    for entry in _entries(config):
        if "class_name" in entry and not _is_plain(entry):
            raise ValueError(
                f"it names {entry.get('module')}.{entry['class_name']}, which is not one "
                "of Keras's harmless classes; register your own classes by "
                "keras.saving.register_keras_serializable(), and import them before "
                "loading"
            )


def _entries(config):
    """Yield each object in a nested configuration."""
    left = [config]
    while left:
        entry = left.pop()
        if isinstance(entry, list):
            left.extend(entry)
        elif isinstance(entry, dict):
            left.extend(entry.values())
            yield entry


def _is_plain(entry):
    module, name = entry.get("module"), entry["class_name"]
    if not isinstance(name, str) or name.startswith("__"):
        return name in _KERAS_MARKS
    # Keras looks up registered objects before its own, and functions by their names.
    own = entry.get("config") if name == "function" else entry.get("registered_name")
    if isinstance(own, str) and keras.saving.get_registered_object(own) is not None:
        return True
    if module == "keras.layers":
        layer = getattr(keras.layers, name, None)
        family = getattr(layer, "__module__", "").removeprefix("keras.src.layers.")
        plain = family.partition(".")[0] in _LAYER_FAMILIES and name != "Lambda"
        return plain or name in _MORE_LAYERS
    if module is not None and module.startswith("keras.src.ops."):
        return True  # arithmetic between layers
    return module in _KERAS_MODULES or (module, name) in _KERAS_CLASSES


def _count_weights(config):
    """Return the number of weights and constants of a network without allocating them."""
    counted = copy.deepcopy({**config, "compile_config": None})
    _turn_constants_into_weights(counted)
    # Keras 3.15 keeps a list of the variables that are created in this scope. It would
    # allocate them when another network is built later, so they are removed from the list.
    state = keras.src.backend.common.global_state
    waiting = list(state.get_global_attribute(_WAITING_VARIABLES) or [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(counted, safe_mode=True)
            return sum(math.prod(weight.shape) for weight in model.weights)
    finally:
        state.set_global_attribute(_WAITING_VARIABLES, waiting)


def _turn_constants_into_weights(config):
    """Replace Normalization layers by layers with the same number of weights.

    A Normalization layer would allocate its mean and variance as soon as it is built.
    """
    for entry in _entries(config):
        # The user's own classes have a registered name.
        kind = entry.get("module"), entry.get("class_name"), entry.get("registered_name")
        if kind == ("keras.layers", "Normalization", None):
            axis = entry["config"].get("axis", -1)
            # With axis=None, it has one mean and one variance for all channels.
            settings = {} if axis is None else {"axis": axis}
            name = entry["config"].get("name")
            entry["class_name"] = "Identity" if axis is None else "LayerNormalization"
            entry["config"] = {"name": name, **settings}


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


def encode_params(params):
    """Convert constructor parameters to JSON types, and warn about those that have none."""
    return {name: _encode(value, name) for name, value in params.items()}


def decode_params(params):
    """Convert the result of `encode_params` back to the parameters."""
    return {name: _decode(value) for name, value in params.items()}


def _encode(value, name):
    """Convert a parameter to JSON types, with a type tag if JSON has no such type."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, np.ndarray)) and name != "callbacks":
        return {
            "list": [_encode(v, name) for v in value],
            "tuple": isinstance(value, tuple),
        }
    if isinstance(value, dict):
        return {"dict": [[_encode(k, name), _encode(v, name)] for k, v in value.items()]}
    if isinstance(value, OCTAugmenter):
        params = value.get_params(deep=False)
        return {"augmenter": {k: _encode(v, k) for k, v in params.items()}}
    if isinstance(value, keras.optimizers.Optimizer):
        return {"optimizer": _encode_optimizer(value)}
    warnings.warn(
        f"the parameter {name}={value!r} is not saved; it will be None when loaded",
        UserWarning,
        stacklevel=5,
    )
    return None


def _encode_optimizer(optimizer):
    kind = type(optimizer)
    registered = keras.saving.get_registered_name(kind) != kind.__name__
    if not (registered or kind.__module__.split(".")[0] == "keras"):
        # Raise the error now rather than when the network is loaded.
        raise ValueError(
            f"optimizer={optimizer!r} cannot be saved: Keras would not find its class when "
            "loading. Register it by keras.saving.register_keras_serializable()."
        )
    return keras.optimizers.serialize(optimizer)


def _decode(value):
    if not isinstance(value, dict):
        return value
    if "list" in value:
        items = [_decode(v) for v in value["list"]]
        return tuple(items) if value["tuple"] else items
    if "dict" in value:
        return {_decode(k): _decode(v) for k, v in value["dict"]}
    if "augmenter" in value:
        return OCTAugmenter(**{k: _decode(v) for k, v in value["augmenter"].items()})
    _check_config(value["optimizer"])
    return keras.optimizers.deserialize(value["optimizer"])


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
