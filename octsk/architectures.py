"""Network architectures: functions that build a Keras model for an input shape.

Each function takes the shape of one image and the number of classes, and returns a model
with a declared input shape whose outputs are logits (without a softmax). The functions do
not depend on scikit-learn, data or training.
"""

import numpy as np

from octsk.utils.tensorflow import float32_layers, keras, tf

layers = keras.layers

# Layers get this argument so that they ignore Keras's global image_data_format.
_CHANNELS_LAST = {"data_format": "channels_last"}

# Momentum of the moving averages in batch normalization. Keras's default, 0.99, averages
# over about 100 steps, which is about a tenth of the default training on a hundred images.
_BATCH_NORM_MOMENTUM = 0.9

# Along the first or last row of an image, a white corner reaches from the left or right end
# to the first pixel below _STILL_WHITE, provided that some pixel in a corner of the row is
# at least _WHITE. Down each column, it also ends at the first pixel below _STILL_WHITE.
# This value is lower, since resizing darkens the edges of corners. Both were chosen on
# OCT2017, half of whose images have white corners, on OCTDL, whose images have none, and on
# PneumoniaMNIST, where 0.1 % of the images have some.
_WHITE, _STILL_WHITE = 0.98, 0.7
# Minimum side in pixels of images in which corners are filled. In smaller ones, every pixel
# is close to a corner.
_MIN_SIDE_WITH_CORNERS = 8

# Side in pixels of the images for which the residual network was designed. Each time the
# shorter side doubles, the network halves its feature maps once more.
_RESIDUAL_SIDE = 28


def small(input_shape, n_classes, *, filters=(32, 32), dense_units=(64,), dropout=0.0):
    """Build the Small network of the report ("basic").

    The network consists of a convolution with 32 filters, a max-pooling, another
    convolution with 32 filters and a dense layer of 64 units. It has 257,700 parameters
    for 28 x 28 x 1 images of 4 classes.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, whose pixels are in [0, 1].
    n_classes : int
        Number of classes, which is the number of logits.
    filters : sequence of int, default=(32, 32)
        Number of filters of each convolution. Convolutions are 3 x 3, unpadded, and
        followed by a ReLU, with a 2 x 2 max-pooling between consecutive ones.
    dense_units : sequence of int, default=(64,)
        Number of units of each hidden dense layer with ReLU activation.
    dropout : float in [0, 1), default=0.0
        Fraction of the units of each hidden dense layer that is dropped in training. 0
        adds no dropout layers.

    Returns
    -------
    keras.Model
        Model that maps float32 images of shape (n, height, width, channels) to logits of
        shape (n, n_classes).

    Raises
    ------
    ValueError
        If the image is too small for the number of convolutions, or if a size is not a
        positive integer.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk.architectures import small
    >>> small((28, 28, 1), 4).count_params()
    257700
    """
    return _conv_pool_dense(
        input_shape, n_classes, filters, dense_units, dropout, name="small_oct_net"
    )


def medium(
    input_shape, n_classes, *, filters=(128, 512, 1024), dense_units=(256, 128), dropout=0.0
):
    """Build the Medium network of the report ("complex").

    The network consists of convolutions with 128, 512 and 1024 filters, with a max-pooling
    between them, and of dense layers of 256 and 128 units. It has 7,704,196 parameters for
    28 x 28 x 1 images of 4 classes.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, whose pixels are in [0, 1].
    n_classes : int
        Number of classes, which is the number of logits.
    filters : sequence of int, default=(128, 512, 1024)
        Number of filters of each convolution. Convolutions are 3 x 3, unpadded, and
        followed by a ReLU, with a 2 x 2 max-pooling between consecutive ones.
    dense_units : sequence of int, default=(256, 128)
        Number of units of each hidden dense layer with ReLU activation.
    dropout : float in [0, 1), default=0.0
        Fraction of the units of each hidden dense layer that is dropped in training. 0
        adds no dropout layers.

    Returns
    -------
    keras.Model
        Model that maps float32 images of shape (n, height, width, channels) to logits of
        shape (n, n_classes).

    Raises
    ------
    ValueError
        If the image is too small for the number of convolutions, or if a size is not a
        positive integer.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk.architectures import medium
    >>> medium((28, 28, 1), 4).count_params()
    7704196
    """
    return _conv_pool_dense(
        input_shape, n_classes, filters, dense_units, dropout, name="medium_oct_net"
    )


def large(
    input_shape, n_classes, *, filters=(128, 512, 1024), dense_units=(256, 128), dropout=0.0
):
    """Build the Large network of the report, which is identical to Medium.

    The text of the report describes Large as a larger network that overfits earlier than
    Medium, but its printed code and summary are those of Medium, layer for layer. This
    function follows the printed code, so that the result in the report can be reproduced.
    Pass more `filters` or `dense_units` to build a network that is larger than Medium.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, whose pixels are in [0, 1].
    n_classes : int
        Number of classes, which is the number of logits.
    filters : sequence of int, default=(128, 512, 1024)
        Number of filters of each convolution. Convolutions are 3 x 3, unpadded, and
        followed by a ReLU, with a 2 x 2 max-pooling between consecutive ones.
    dense_units : sequence of int, default=(256, 128)
        Number of units of each hidden dense layer with ReLU activation.
    dropout : float in [0, 1), default=0.0
        Fraction of the units of each hidden dense layer that is dropped in training. 0
        adds no dropout layers.

    Returns
    -------
    keras.Model
        Model that maps float32 images of shape (n, height, width, channels) to logits of
        shape (n, n_classes).

    Raises
    ------
    ValueError
        If the image is too small for the number of convolutions, or if a size is not a
        positive integer.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk.architectures import large
    >>> large((28, 28, 1), 4, filters=(128, 512, 2048)).count_params() > 7704196
    True
    """
    return _conv_pool_dense(
        input_shape, n_classes, filters, dense_units, dropout, name="large_oct_net"
    )


@float32_layers()
def residual(
    input_shape, n_classes, *, filters=(32, 64, 128, 128), dense_units=(), dropout=0.0
):
    """Build the residual network of :class:`octsk.ResidualOCTNet`.

    The network first fills the white corners of scans that a device has rotated, and
    standardizes each image. These steps are followed by a 3 x 3 convolution, residual
    blocks of two convolutions each (He et al. 2016) with batch normalization, and global
    average pooling. For 28 x 28 x 1 images of 4 classes, the network has 604,580 parameters
    and needs 52 million multiply-adds.

    The number of layers depends on the size of the images. This bounds the cost, and lets
    the last feature maps cover the whole image. If the shorter side has 56 pixels or more,
    one more block with the last number of filters halves the feature maps again. For each
    further doubling (from 112 and 224 pixels on), the maps are halved once before the
    blocks. For grey images of 4 classes, the default network has these sizes and costs:

    =========  ==========  =============  =========
    images     parameters  multiply-adds  last maps
    =========  ==========  =============  =========
    28 x 28       604,580     52 million  7 x 7
    64 x 64       917,412    290 million  8 x 8
    128 x 128     917,412    290 million  8 x 8
    224 x 224     917,412    224 million  7 x 7
    =========  ==========  =============  =========

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, whose pixels are in [0, 1]. Images may have any size.
    n_classes : int
        Number of classes, which is the number of logits.
    filters : sequence of int, default=(32, 64, 128, 128)
        Number of filters of each residual block. A block with another number of filters
        than the block before it halves the height and width. For images of 56 pixels or
        more, one block is added.
    dense_units : sequence of int, default=()
        Number of units of each hidden dense layer with ReLU activation.
    dropout : float in [0, 1), default=0.0
        Fraction of the pooled features, and of the units of each hidden dense layer, that
        is dropped in training. 0 adds no dropout layers.

    Returns
    -------
    keras.Model
        Model that maps float32 images of shape (n, height, width, channels) to logits of
        shape (n, n_classes).

    Raises
    ------
    ValueError
        If a size is not a positive integer, if `filters` is empty, or if `input_shape`
        does not contain three numbers.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR
    2016, pp. 770-778. Blocks and shortcuts follow this paper, but depth and filters do
    not.

    Examples
    --------
    >>> from octsk.architectures import residual
    >>> residual((28, 28, 1), 4).count_params()
    604580
    """
    filters = _positive_ints(filters, "filters")
    if not filters:
        raise ValueError("filters must contain at least one number, got none.")
    dense_units = _positive_ints(dense_units, "dense_units")
    _check_shape(input_shape)
    image = keras.Input(input_shape, dtype="float32")
    has_corners = min(input_shape[:2]) >= _MIN_SIDE_WITH_CORNERS
    x = FillWhiteCorners()(image) if has_corners else image
    # Standardize each image, since devices differ in brightness and contrast. Keras's
    # default epsilon, 0.001, is as large as the variance of an image of low contrast.
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-5)(
        x
    )
    n_doublings = max(0, (min(input_shape[:2]) // _RESIDUAL_SIDE).bit_length() - 1)
    x = _convolution(x, filters[0], strides=2 if n_doublings > 1 else 1)
    for _ in range(n_doublings - 2):
        x = layers.MaxPooling2D(2, **_CHANNELS_LAST)(x)
    for n, before in zip(filters, [filters[0], *filters], strict=False):
        x = _residual_block(x, n, halve=n != before)
    if n_doublings:
        x = _residual_block(x, filters[-1], halve=True)
    x = layers.GlobalAveragePooling2D(**_CHANNELS_LAST)(x)
    for n in dense_units:
        if dropout:
            x = layers.Dropout(dropout)(x)
        x = layers.Dense(n, activation="relu")(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(n_classes)(x), name="residual_oct_net")


@keras.saving.register_keras_serializable("octsk")
class FillWhiteCorners(keras.layers.Layer):
    """Layer that fills the white corners of each image with its darkest value.

    Some devices rotate a scan after its acquisition, which leaves white corners. These
    contain no information about the retina, but would change the mean and variance by which
    an image is standardized. A corner begins at the left or right end of the first or last
    row, if that row is white there, and ends at the first darker pixel of the row. In each
    of its columns, it reaches from that row to the first darker pixel. The layer fills the
    corners and all pixels next to them.
    """

    def call(self, inputs):
        """Return the images with filled corners.

        Parameters
        ----------
        inputs : tensorflow.Tensor of shape (n, h, w, c), float32
            Images with pixels in [0, 1].

        Returns
        -------
        tensorflow.Tensor of shape (n, h, w, c), float32
            Images without white corners. Images that have none are unchanged.
        """
        grey = tf.reduce_min(inputs, axis=3, keepdims=True)
        lower = tf.reverse(_corners_at_first_row(tf.reverse(grey, [1])), [1])
        white = tf.cast(_corners_at_first_row(grey) | lower, inputs.dtype)
        # Pixels next to a white area may be too bright, since resizing has mixed them with
        # it.
        filled = tf.nn.max_pool2d(white, 3, 1, "SAME") > 0
        return tf.where(
            filled, tf.reduce_min(inputs, axis=(1, 2, 3), keepdims=True), inputs
        )


def _corners_at_first_row(grey):
    """Return a mask of the pixels that belong to white corners at the first row."""
    is_dark = tf.cast(grey < _STILL_WHITE, tf.int32)
    from_left = tf.cumsum(is_dark[:, :1], axis=2) == 0
    from_right = tf.cumsum(is_dark[:, :1], axis=2, reverse=True) == 0
    border = from_left | from_right
    is_white = tf.reduce_any(border & (grey[:, :1] >= _WHITE), axis=2, keepdims=True)
    return is_white & border & (tf.cumsum(is_dark, axis=1) == 0)


@keras.saving.register_keras_serializable("octsk")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization by one fused TensorFlow operation.

    Keras 3.15 implements batch normalization by about a dozen operations, each of which
    takes about as long as the preceding convolution.
    """

    def call(self, inputs, training=False):
        """Normalize with batch statistics in training and with moving averages otherwise.

        Parameters
        ----------
        inputs : tensorflow.Tensor of shape (n, h, w, c), float32
            Feature maps, which are normalized over all axes except the last.
        training : bool, default=False
            Whether to use the mean and variance of `inputs`, and to update the moving
            averages with them.

        Returns
        -------
        tensorflow.Tensor of shape (n, h, w, c), float32
            The normalized inputs.
        """
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


def _convolution(x, n, size=3, strides=1, activation="relu"):
    x = layers.Conv2D(
        n, size, strides=strides, padding="same", use_bias=False, **_CHANNELS_LAST
    )(x)
    x = FusedBatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def _residual_block(x, n, halve):
    y = _convolution(x, n, strides=2 if halve else 1)
    y = _convolution(y, n, activation=None)
    if halve:
        # A strided 1 x 1 convolution would ignore three of four pixels. Average pooling
        # uses all of them.
        x = layers.AveragePooling2D(2, padding="same", **_CHANNELS_LAST)(x)
        x = _convolution(x, n, size=1, activation=None)
    return layers.Activation("relu")(layers.Add()([x, y]))


@float32_layers()
def _conv_pool_dense(input_shape, n_classes, filters, dense_units, dropout, name):
    filters = _positive_ints(filters, "filters")
    dense_units = _positive_ints(dense_units, "dense_units")
    _check_size(input_shape, len(filters))
    model = keras.Sequential([keras.Input(input_shape, dtype="float32")], name=name)
    for i, n in enumerate(filters):
        if i > 0:
            model.add(layers.MaxPooling2D(2, **_CHANNELS_LAST))
        model.add(layers.Conv2D(n, 3, activation="relu", **_CHANNELS_LAST))
    model.add(layers.Flatten(**_CHANNELS_LAST))
    for n in dense_units:
        model.add(layers.Dense(n, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(n_classes))
    return model


def _positive_ints(numbers, name):
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in numbers):
        raise ValueError(f"{name} must be positive integers, got {numbers!r}.")
    return [int(n) for n in numbers]


def _check_shape(input_shape):
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape must be (height, width, channels), got {tuple(input_shape)}."
        )


def _check_size(input_shape, n_convolutions):
    _check_shape(input_shape)
    # Count backwards from one remaining pixel: each 3 x 3 convolution removes 2 pixels, and
    # each pooling halves the size.
    needed = 3
    for _ in range(n_convolutions - 1):
        needed = 2 * needed + 2
    height, width = input_shape[:2]
    if min(height, width) < needed:
        raise ValueError(
            f"images of {height} x {width} pixels are too small for {n_convolutions} "
            f"convolutions with pooling between them: at least {needed} x {needed} are "
            "needed. Pass fewer `filters` or larger images."
        )
