"""Explanation by Grad-CAM: the feature maps that raise the score of a class."""

import numpy as np

from octsk.inspection._arguments import check_arguments
from octsk.utils.tensorflow import keras, tf
from octsk.utils.validation import to_batch, to_unit

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
# Images whose feature maps are in memory at a time.
_PART = 64


def grad_cam(estimator, X, *, target=None, layer=None):
    """Explain a net's logits by Grad-CAM: which feature maps speak for a class, and where.

    The feature maps of the last convolution, weighted by the mean gradient of the class's
    logit with respect to each, and added up; what speaks against the class is set to 0.
    The map is then brought to the size of the image, each of its cells to the middle of
    the pixels that it looks at.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted net with a convolution.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label or array-like of shape (n,), default=None
        Class to explain, or one for each image. None explains the predicted ones.
    layer : str, default=None
        Name of the layer of ``estimator.model_`` whose output is weighted. None takes the
        output of the last convolution, after the normalization, sum or activation that
        follow it at the same size.

    Returns
    -------
    ndarray of shape (n, h, w), float32
        The maps, 0 or more, in units of the logit; all 0 where nothing speaks for the
        class.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is no net of octsk.
    ValueError
        If the images, classes or layer are not as described, or there is no convolution.

    See Also
    --------
    occlusion_sensitivity : Needs no gradient, takes longer.
    octsk.ExplanationDisplay : Draws the maps over the images.

    Notes
    -----
    A map is as fine as the feature maps: 11 x 11 cells in SmallOCTNet and 3 x 3 in
    MediumOCTNet on images of 28 x 28. An earlier `layer` is finer but says less about the
    class.

    References
    ----------
    R. R. Selvaraju et al., Grad-CAM: Visual explanations from deep networks via
    gradient-based localization, ICCV 2017, equations 1 and 2.

    Examples
    --------
    >>> from octsk import SmallOCTNet, grad_cam, make_oct_phantoms
    >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> net = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
    >>> grad_cam(net, X[:5], target=2).shape
    (5, 28, 28)
    """
    images, columns = check_arguments(estimator, X, target)
    model = estimator.model_
    graph = _graph(model)
    features = _features(graph, layer)
    both = keras.Model(model.inputs, [features, model.outputs[0]])
    parts = range(0, len(images), _PART)
    cams = [_cam(both, images[i : i + _PART], columns[i : i + _PART]) for i in parts]
    rows, cols = (
        _interpolation(images.shape[1 + axis], features.shape[1 + axis], *place)
        for axis, place in enumerate(_places(graph, features))
    )
    return rows @ np.concatenate(cams) @ cols.T


# --------------------------------------------------------------------------------------
# What is explained
# --------------------------------------------------------------------------------------


# --------------------------------------------------------------------------------------
# Grad-CAM
# --------------------------------------------------------------------------------------


def _graph(model):
    """Return (tensor, layer, inputs) of all that leads to the logits, in that order.

    A layer's own ``output`` may be of another graph: Keras 3 makes one at each ``add`` to
    a Sequential model.
    """
    made = {}

    def visit(tensor):
        if id(tensor) not in made:
            layer, node, _ = tensor._keras_history
            inputs = layer._inbound_nodes[node].input_tensors
            for before in inputs:
                visit(before)
            made[id(tensor)] = tensor, layer, inputs

    visit(model.outputs[0])
    return list(made.values())


def _has_convolutions(net):
    """Say whether a fitted net has a convolution, which Grad-CAM needs."""
    return _last_features(_maps(_graph(net.model_))) is not None


def _maps(graph):
    return [(tensor, layer) for tensor, layer, _ in graph if len(tensor.shape) == 4]


def _features(graph, name):
    """Return the tensor of the feature maps to weight."""
    maps = _maps(graph)
    if name is not None:
        named = {layer.name: tensor for tensor, layer in maps}
        if name not in named:
            raise ValueError(
                f"layer must name one of the layers that give maps, {list(named)}; got "
                f"{name!r}."
            )
        return named[name]
    last = _last_features(maps)
    if last is None:
        raise ValueError("Grad-CAM needs a net with a convolution, and this one has none.")
    return last


def _last_features(maps):
    """Return what follows the last convolution with places of its own; None without one."""
    last = None
    for tensor, layer in maps:
        # A convolution of a single cell (as in attention over channels) has no places.
        places = tensor.shape[1:3]
        found = isinstance(layer, _CONVOLUTIONS) and places != (1, 1)
        if found or (last is not None and places == last.shape[1:3]):
            last = tensor
    return last


def _cam(both, images, columns):
    batch = to_unit(to_batch(images))
    with tf.GradientTape() as tape:
        tape.watch(batch)
        features, scores = both(batch, training=False)
        score = tf.gather(scores, columns, batch_dims=1)
    gradient = tape.gradient(score, features)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()


def _places(graph, features):
    """Return for rows and columns which pixel cell 0 looks at, and the step to the next.

    A convolution without padding sees less of the border at each layer: stretching its
    map over the whole image, as is usual, would push what it found outwards.
    """
    made = {id(tensor): (layer, inputs) for tensor, layer, inputs in graph}
    first, step = np.zeros(2), np.ones(2)
    layer, inputs = made[id(features)]
    while inputs:
        size = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
        if size is not None:
            reach = (np.array(size) - 1) * getattr(layer, "dilation_rate", 1)
            strides = np.array(layer.strides)
            padding = 0
            if layer.padding == "same":
                n = np.array(inputs[0].shape[1:3])
                short = (-(-n // strides) - 1) * strides + reach + 1 - n
                padding = np.maximum(short, 0) // 2
            first = reach / 2 - padding + strides * first
            step = strides * step
        # Of a sum, all parts have about the same places.
        layer, inputs = made[id(inputs[0])]
    return list(zip(first, step, strict=True))


def _interpolation(n_pixels, n_cells, first, step):
    """Return the matrix that gives each pixel the value between its nearest cells."""
    place = (np.arange(n_pixels) - first) / step
    cells = np.eye(n_cells, dtype=np.float32)
    weights = [np.interp(place, np.arange(n_cells), cell) for cell in cells]
    return np.stack(weights, axis=1).astype(np.float32)
