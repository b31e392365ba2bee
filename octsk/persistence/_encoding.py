"""Conversion of an estimator's parameters to JSON types and back."""

import os
import warnings

import numpy as np

from octsk.augmentation import OCTAugmenter
from octsk.persistence._keras_config import check_config
from octsk.utils.tensorflow import keras


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
    check_config(value["optimizer"])
    return keras.optimizers.deserialize(value["optimizer"])
