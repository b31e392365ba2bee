"""Where in an image a net sees its reason: Grad-CAM and occlusion.

Maps of what moves a network's answer. They are for finding out what a network has
learned, not for finding lesions: see the user guide.
"""

from collections.abc import Callable
from numbers import Integral

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted

from octsk.classifiers._base import BaseOCTNet
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    check_names,
    grid_of_axes,
    head,
    height_of_heads,
    to_unit_float,
)
from octsk.training._fitting import Forward, logits
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
    images, columns = _check(estimator, X, target)
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


def occlusion_sensitivity(estimator, X, *, target=None, patch_size=None, stride=None):
    """Explain a net's probabilities by covering a part of the image at a time.

    A black square is moved over the image; each pixel of the map is by how much the
    probability of the class falls when the pixel is covered, on average over the places
    of the square that cover it. Nothing but predictions is needed.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted net.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label or array-like of shape (n,), default=None
        Class to explain, or one for each image. None explains the predicted ones.
    patch_size : int, default=None
        Side of the square in pixels, at most that of the image. None: a fifth of the
        image's shorter side, 5 at 28 pixels.
    stride : int, default=None
        Pixels from one place of the square to the next, at most `patch_size`. None: half
        of `patch_size`, so that some 170 images are predicted for each.

    Returns
    -------
    ndarray of shape (n, h, w), float32
        The maps, from -1 to 1: above 0 where covering takes from the probability of the
        class, below 0 where it adds to it.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is no net of octsk, or a size no integer.
    ValueError
        If the images, classes or sizes are not as described.

    See Also
    --------
    grad_cam : Faster, and coarser in deep nets.
    octsk.ExplanationDisplay : Draws the maps over the images.

    Notes
    -----
    The square is black because that is how OCT shows nothing: where no light comes back.
    On phantoms a black one found lesions more often than one of the image's mean grey, and
    a fifth of the side more often than a quarter.

    References
    ----------
    M. D. Zeiler, R. Fergus, Visualizing and understanding convolutional networks, ECCV
    2014: the probability of the class under a grey square.

    Examples
    --------
    >>> from octsk import SmallOCTNet, make_oct_phantoms, occlusion_sensitivity
    >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> net = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
    >>> occlusion_sensitivity(net, X[:5], stride=5).shape
    (5, 28, 28)
    """
    images, columns = _check(estimator, X, target)
    height, width = images.shape[1:3]
    if patch_size is None:
        patch_size = max(1, min(height, width) // 5)
    if stride is None:
        stride = max(1, patch_size // 2)
    check_scalar(patch_size, "patch_size", Integral, min_val=1, max_val=min(height, width))
    check_scalar(stride, "stride", Integral, min_val=1, max_val=patch_size)
    forward = Forward(estimator.model_)

    def probability(pixels):
        return softmax(logits(forward, pixels), axis=1)[np.arange(len(columns)), columns]

    whole = probability(images)
    maps = np.zeros(images.shape[:3], dtype=np.float32)
    times = np.zeros((height, width), dtype=np.float32)
    for top in _steps(height, patch_size, stride):
        for left in _steps(width, patch_size, stride):
            square = slice(top, top + patch_size), slice(left, left + patch_size)
            covered = images.copy()
            covered[:, *square] = 0
            maps[:, *square] += (whole - probability(covered))[:, None, None]
            times[square] += 1
    return maps / times


class ExplanationDisplay(Display):
    """Images above the maps that explain what a net says of them.

    The map lies over the grey image: the less it says, the more of the image is seen.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c)
        The images.
    maps : ndarray of shape (n, h, w), float
        Their maps.
    titles : sequence of n str
        Text above each image.
    label : str
        What the colours mean.

    Attributes
    ----------
    ax_ : ndarray of shape (2, n), of matplotlib.axes.Axes
        The axes of the images and, below, of the maps.
    colorbar_ : matplotlib.colorbar.Colorbar
        The colour bar.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    grad_cam : The maps of gradients as an array.
    occlusion_sensitivity : The maps of covering as an array.

    Examples
    --------
    >>> import octsk
    >>> scans = octsk.make_oct_phantoms(64, random_state=0)
    >>> net = octsk.SmallOCTNet(epochs=1, random_state=0).fit(scans.data, scans.target)
    >>> display = octsk.ExplanationDisplay.from_estimator(net, scans.data[:4])
    >>> display.maps.shape, display.ax_.shape
    ((4, 28, 28), (2, 4))
    """

    def __init__(self, images, maps, titles, label):
        self.images = images
        self.maps = maps
        self.titles = titles
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        method="grad_cam",
        target=None,
        class_names=None,
        ax=None,
    ):
        """Explain what a net says of images, and draw.

        Parameters
        ----------
        estimator : BaseOCTNet
            A fitted net.
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`; four fit a column of a page.
        y : array-like of shape (n,), default=None
            Their true classes, for the titles; None where they are not known.
        method : {"grad_cam", "occlusion"}, default="grad_cam"
            The one or the other, with its default settings.
        target : label or array-like of shape (n,), default=None
            Class to explain, or one for each image. None explains the predicted ones.
        class_names : sequence of str, default=None
            What to call the classes, in the order of ``classes_``; None takes what the
            net knows, else the labels.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        ExplanationDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is no net of octsk.
        ValueError
            If the images, classes or method are not as described.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> display = octsk.ExplanationDisplay.from_estimator(
        ...     net, scans.data[:2], method="occlusion", target=2
        ... )
        >>> display.titles
        ['explained: 2', 'explained: 2']
        """
        if method not in _METHODS:
            raise ValueError(f"method must be one of {sorted(_METHODS)}, got {method!r}.")
        images, columns = _check(estimator, X, target)
        names = check_names(class_names, estimator.classes_, estimator)
        titles = [f"explained: {names[k]}" for k in columns]
        if y is not None:
            true = _columns(estimator, y, len(images), "y")
            titles = [f"true: {names[k]}\n{t}" for k, t in zip(true, titles, strict=True)]
        explain, label = _METHODS[method]
        maps = explain(estimator, X, target=estimator.classes_[columns])
        if method == "grad_cam":
            # Its unit differs from image to image; a map may be 0 all over.
            maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
        return cls(images, maps, titles, label).plot(ax)

    def _draw(self, ax):
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        n = len(self.images)
        height = 2 * COLUMN / max(n, 4) + height_of_heads(self.titles, max(n, 4)) + 0.6
        above, bar = grid_of_axes(
            ax, 2, 1, size=(COLUMN, height), height_ratios=[1, 0.04]
        ).ravel()
        self.ax_ = grid_of_axes(above, 2, n)
        self.figure_ = bar.figure
        signed = self.maps.min() < 0
        # All maps on one scale, about 0 where there are two signs.
        reach = np.abs(self.maps).max() or 1
        scale = ScalarMappable(Normalize(-reach if signed else 0, reach), _colours(signed))
        for column, (image, explained) in enumerate(
            zip(self.images, self.maps, strict=True)
        ):
            for cell in self.ax_[:, column]:
                cell.imshow(to_unit_float(image).mean(axis=2), cmap="gray", vmin=0, vmax=1)
                cell.set_axis_off()
            self.ax_[1, column].imshow(explained, cmap=scale.cmap, norm=scale.norm)
            head(self.ax_[0, column], self.titles[column], max(n, 4))
        self.colorbar_ = self.figure_.colorbar(scale, cax=bar, orientation="horizontal")
        self.colorbar_.set_label(self.label)
        # What lies under a map is dark, for the most part.
        bar.set_facecolor("black")


_METHODS: dict[str, tuple[Callable, str]] = {
    "grad_cam": (grad_cam, "Grad-CAM, share of the map's maximum"),
    "occlusion": (occlusion_sensitivity, "occlusion: fall of the probability when covered"),
}


def _colours(signed):
    """Transparent at 0; orange above and blue below, which the colour-blind tell apart."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    orange, blue = "#E69F00", "#56B4E9"
    stops = [to_rgba(orange, 0), to_rgba(orange, 0.9)]
    if signed:
        stops = [to_rgba(blue, 0.9), to_rgba("0.5", 0), stops[1]]
    return LinearSegmentedColormap.from_list("explanation", stops)


# --------------------------------------------------------------------------------------
# What is explained
# --------------------------------------------------------------------------------------


def _check(estimator, X, target):
    """Check the arguments; return the images, and the column of each one's class."""
    if not isinstance(estimator, BaseOCTNet):
        raise TypeError(
            f"estimator must be a net of octsk, got {type(estimator).__name__}; of a "
            "pipeline give its last step, and the images as they come to it."
        )
    check_is_fitted(estimator)
    images = estimator._check_images(X, reset=False)
    if target is None:
        target = estimator.predict(X)
    elif np.ndim(target) == 0:
        target = np.repeat(np.asarray(target), len(images))
    return images, _columns(estimator, target, len(images), "target")


def _columns(estimator, labels, n, name):
    labels = column_or_1d(labels)
    if len(labels) != n:
        raise ValueError(
            f"{name} must be one class or one for each of {n} images, got {len(labels)}."
        )
    estimator._check_known_labels(labels, name)
    return np.searchsorted(estimator.classes_, labels)


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


def _steps(length, size, stride):
    """Return the places of a square along an axis, the last one at its end."""
    return sorted({*range(0, length - size, stride), length - size})
