"""Checks of the Keras configuration of a network from an untrusted file."""

import copy
import math

from octsk.utils.tensorflow import keras

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


def check_config(config):
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


def count_weights(config):
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
