"""Layers of a network: their names, freezing, and copying of their weights."""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import keras  # isort: split

import hashlib
import re
from collections import Counter

import numpy as np


def named_layers(model):
    """Return the layers with weights by names that do not depend on other networks.

    Keras numbers all layers of a type in a process, such as "conv2d_7". Here these numbers
    start anew in each network: "conv2d", "conv2d_1" and so on. Other names are kept.
    """
    counts: Counter[str] = Counter()
    named = {}
    for layer in model.layers:
        name = re.sub(r"_\d+$", "", layer.name)
        if name.replace("_", "") == type(layer).__name__.lower():
            counts[name] += 1
            name += f"_{counts[name] - 1}" if counts[name] > 1 else ""
        else:
            name = layer.name
        if layer.weights:
            named[name] = layer
    return named


def find_head(model):
    """Return the last layer that has weights, and the tensor that is its input."""
    tensor = model.outputs[0]
    while True:
        # layer.input may belong to another graph, since each `add` to a Sequential model
        # builds a new one.
        layer, node, _ = tensor._keras_history
        inputs = layer._inbound_nodes[node].input_tensors
        if layer.weights or not inputs:
            return layer, inputs[0] if inputs else tensor
        tensor = inputs[0]


def features_model(model):
    """Return the network without its head, with feature maps averaged over positions."""
    _, features = find_head(model)
    if len(features.shape) > 2:
        axes = tuple(range(1, len(features.shape) - 1))
        features = keras.ops.mean(features, axis=axes)
    return keras.Model(model.inputs, features)


def freeze_layers(model, freeze):
    """Freeze the layers that are named in the parameter `freeze` of an estimator.

    Raises
    ------
    ValueError
        If a layer does not exist or has no weights, or if no layer is left to train.
    """
    if freeze is None:
        return
    layers = named_layers(model)
    if isinstance(freeze, str):
        head = find_head(model)[0]
        frozen = [layer for layer in layers.values() if layer is not head]
    else:
        unknown = [name for name in freeze if name not in layers]
        if unknown:
            raise ValueError(
                f"freeze names layers that the network does not have or that have no "
                f"weights: {unknown}. The layers with weights are {list(layers)}."
            )
        frozen = [layers[name] for name in freeze]
    for layer in frozen:
        layer.trainable = False
    if not model.trainable_variables:
        raise ValueError(
            f"freeze={freeze!r} leaves no layer to train. The layers with weights are "
            f"{list(layers)}."
        )


def copy_fitting_weights(source, target):
    """Copy the weights of layers with the same name and weight shapes in both networks.

    Returns
    -------
    int
        Number of weights (scalars) that were copied.
    """
    layers, n_copied = named_layers(source), 0
    for name, layer in named_layers(target).items():
        values = layers[name].get_weights() if name in layers else []
        if [v.shape for v in values] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(values)
            n_copied += sum(v.size for v in values)
    return n_copied


def weights_sha256(model) -> str:
    """Return a hash of the names, shapes and values of a network's weights."""
    digest = hashlib.sha256()
    for name, layer in named_layers(model).items():
        for weight in map(np.asarray, layer.get_weights()):
            digest.update(f"{name} {weight.shape}".encode())
            digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()
