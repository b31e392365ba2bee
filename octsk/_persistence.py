"""Estimators as files: one zip archive to save and load, and Keras 2's ``.h5``."""

import importlib.metadata
import json
import tempfile
import warnings
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
from sklearn.preprocessing import FunctionTransformer, LabelEncoder

from octsk._files import atomic_write
from octsk._training import seeded_layers
from octsk._version import __version__
from octsk.augmentation import OCTAugmenter

_FORMAT = 1
_STATE = "estimator.json"
_MODEL = "model.keras"
# The description is small; a file that says otherwise was not written here.
_MAX_STATE_BYTES = 64 * 2**20


def save(estimator, path, class_names):
    """Write a fitted estimator to `path`; see ``BaseOCTNet.save``."""
    classes = estimator.classes_
    state = {
        "format": _FORMAT,
        "octsk": __version__,
        "keras": importlib.metadata.version("keras"),
        "class": type(estimator).__name__,
        "params": {
            name: _encode(value, name)
            for name, value in estimator.get_params(deep=False).items()
        },
        "classes": {"dtype": classes.dtype.str, "values": classes.tolist()},
        "class_names": class_names,
        "image_shape": estimator.image_shape_,
        "feature_names": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        "seed": estimator._random_state,
        "history": estimator.history_,
        "class_prior": None
        if estimator.class_prior_ is None
        else estimator.class_prior_.tolist(),
    }
    with atomic_write(path) as temporary, tempfile.TemporaryDirectory() as folder:
        model_file = Path(folder) / _MODEL
        estimator.model_.save(model_file)
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_STATE, json.dumps(state, indent=1))
            # Stored, not compressed: the Keras file is an archive itself.
            archive.write(model_file, _MODEL)


def load(path, known):
    """Read an estimator of one of the `known` classes; see ``octsk.load``."""
    path = Path(path)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive, tempfile.TemporaryDirectory() as folder:
                state = _read_state(archive)
                archive.extract(_MODEL, folder)
                # Layers are made first and then given their weights.
                with seeded_layers(0):
                    model = keras.saving.load_model(Path(folder) / _MODEL, safe_mode=True)
            return _restore(state, model, known)
        except Exception as error:
            # Of whatever kind: h5py, zipfile and Keras have each their own for bad files.
            raise ValueError(
                f"{str(path)!r} cannot be loaded as an octsk model "
                f"({type(error).__name__}: {error})"
            ) from error


def _read_state(archive):
    if archive.getinfo(_STATE).file_size > _MAX_STATE_BYTES:
        raise ValueError(f"its {_STATE} is larger than {_MAX_STATE_BYTES} bytes")
    state = json.loads(archive.read(_STATE))
    if not isinstance(state, dict) or "format" not in state:
        raise ValueError(f"its {_STATE} describes no estimator")
    if state["format"] != _FORMAT:
        raise ValueError(
            f"it has format {state['format']!r}, this octsk {__version__} reads {_FORMAT}"
        )
    return state


def _restore(state, model, known):
    classes_by_name = {cls.__name__: cls for cls in known}
    if state["class"] not in classes_by_name:
        raise ValueError(
            f"it holds a {state['class']}; import its class before loading. Known are "
            f"{sorted(classes_by_name)}."
        )
    estimator = classes_by_name[state["class"]](
        **{name: _decode(value) for name, value in state["params"].items()}
    )
    classes = np.array(state["classes"]["values"], dtype=state["classes"]["dtype"])
    estimator.target_encoder_ = LabelEncoder().fit(classes)
    estimator.feature_encoder_ = FunctionTransformer().set_output(transform="default")
    estimator.classes_ = classes
    estimator.class_names_ = state["class_names"]
    estimator.image_shape_ = tuple(state["image_shape"])
    estimator.n_features_in_ = int(np.prod(estimator.image_shape_))
    if state["feature_names"]:
        estimator.feature_names_in_ = np.array(state["feature_names"], dtype=object)
    estimator._random_state = state["seed"]
    estimator.history_ = state["history"]
    estimator.n_iter_ = len(state["history"]["loss"])
    prior = state.get("class_prior")
    estimator.class_prior_ = None if prior is None else np.array(prior)
    if model.input_shape[1:] != estimator.image_shape_ or model.output_shape[1:] != (
        len(classes),
    ):
        raise ValueError("its network does not fit its image shape and classes")
    estimator.model_ = model
    estimator._made_with = estimator._architecture_arguments()
    return estimator


def _encode(value, name):
    """Return a parameter as JSON; what JSON has not is marked by its kind."""
    if isinstance(value, np.generic):
        value = value.item()
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
        stacklevel=4,
    )
    return None


def _encode_optimizer(optimizer):
    kind = type(optimizer)
    registered = keras.saving.get_registered_name(kind) != kind.__name__
    if not (registered or kind.__module__.split(".")[0] == "keras"):
        # Better now than when the trained network cannot be loaded.
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
        The arrays, kernels before biases.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    try:
        with h5py.File(path, "r") as file:
            # A whole model keeps its weights in a group, a weights-only file at the root.
            root = file.get("model_weights", file)
            weights = [
                np.asarray(root[layer][name])
                for layer in _names(root, "layer_names")
                for name in _names(root[layer], "weight_names")
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is not a Keras .h5 file: {error}") from error
    if len(weights) < 2 or weights[-2].ndim != 2 or weights[-1].ndim != 1:
        raise ValueError(
            f"{str(path)!r} does not end in a dense layer's kernel and bias; it has arrays "
            f"of shapes {[w.shape for w in weights]}."
        )
    return weights


def _names(group, attribute):
    """Read a list of names; Keras 2 split long ones over numbered attributes."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        numbered = [a for a in group.attrs if a.startswith(attribute)]
        if not numbered and "layers" in group:
            raise ValueError("it is of Keras 3's own layout, not of Keras 2's")
        if not numbered:
            raise KeyError(f"no attribute {attribute!r} in {group.name!r}")
        parts = [group.attrs[f"{attribute}{i}"] for i in range(len(numbered))]
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in part]
