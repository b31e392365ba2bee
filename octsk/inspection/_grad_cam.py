"""Grad-CAM: feature maps weighted by the gradient of the logit of a class."""

import numpy as np

from octsk.inspection._arguments import check_arguments
from octsk.utils.tensorflow import keras, tf
from octsk.utils.validation import to_batch, to_unit

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
# Number of images whose feature maps are kept in memory at a time.
_PART = 64


def grad_cam(estimator, X, *, target=None, layer=None):
    """Compute Grad-CAM maps, which show the image regions that raise the logit of a class.

    The feature maps of the last convolution are weighted by the mean gradient of the logit
    of the class with respect to each feature map, and summed. Negative values, which are
    evidence against the class, are set to 0. The sum is then interpolated to the size of
    the image, with each cell placed at the centre of its receptive field.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted network with a convolution.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label or array-like of shape (n,), default=None
        Class to explain, or one class for each image. None explains the predicted class.
    layer : str, default=None
        Name of the layer of ``estimator.model_`` whose output is weighted. None uses the
        output of the last convolution, after any normalization, addition or activation of
        the same size that follows it.

    Returns
    -------
    ndarray of shape (n, h, w), float32
        Maps of non-negative values in units of the logit. A map without evidence for the
        class is 0 everywhere.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator is not a network of octsk.
    ValueError
        If the images, the classes or the layer are invalid, or if the network has no
        convolution.

    See Also
    --------
    occlusion_sensitivity : Computes maps without gradients, but takes longer.
    octsk.ExplanationDisplay : Draws the maps over the images.

    Notes
    -----
    A map has the resolution of the feature maps: 11 x 11 cells in SmallOCTNet and 3 x 3
    cells in MediumOCTNet on images of 28 x 28 pixels. An earlier `layer` has a finer
    resolution but is less specific to the class.

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


def _graph(model):
    """Return (tensor, layer, inputs) for each tensor that leads to the logits, in order.

    The graph is followed backwards from the logits, because the attribute ``output`` of a
    layer may belong to another graph: Keras 3 builds a new graph whenever a layer is added
    to a Sequential model.
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


def has_convolutions(net):
    """Return whether a fitted network has a convolution, which Grad-CAM needs."""
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
                "layer must name one of the layers that output feature maps, "
                f"{list(named)}; got {name!r}."
            )
        return named[name]
    last = _last_features(maps)
    if last is None:
        raise ValueError("Grad-CAM needs a network with a convolution, got one without.")
    return last


def _last_features(maps):
    """Return the feature maps of the last spatial convolution, or None without one."""
    last = None
    for tensor, layer in maps:
        # A convolution whose output is a single cell, as in channel attention, is not
        # spatial.
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
    """Return the pixel at the centre of cell 0 and the step, for rows and for columns.

    The step is the number of pixels between adjacent cells. Maps are usually stretched over
    the whole image. After convolutions without padding, which cut off the border of the
    image, this would shift their values outwards.
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
        # The inputs of an addition have about the same receptive fields.
        layer, inputs = made[id(inputs[0])]
    return list(zip(first, step, strict=True))


def _interpolation(n_pixels, n_cells, first, step):
    """Return the matrix of shape (n_pixels, n_cells) for linear interpolation of cells."""
    place = (np.arange(n_pixels) - first) / step
    cells = np.eye(n_cells, dtype=np.float32)
    weights = [np.interp(place, np.arange(n_cells), cell) for cell in cells]
    return np.stack(weights, axis=1).astype(np.float32)
