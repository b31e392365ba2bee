"""The networks: pure functions from an input shape to a Keras model.

Each takes the shape of one image and the number of classes, gives logits (no softmax),
declares its input shape and knows nothing of scikit-learn, data or training.
"""

import numpy as np

from octsk.utils.tensorflow import keras, tf

layers = keras.layers

# Keras's 0.99 looks back over some 100 steps, a tenth of a training on a thousand images.
_BATCH_NORM_MOMENTUM = 0.9


def small(input_shape, n_classes, *, filters=(32, 32), dense_units=(64,), dropout=0.0):
    """Build the report's Small network ("basic").

    Convolution 32, pooling, convolution 32, dense 64, logits: 257,700 parameters on
    28 x 28 x 1 images of 4 classes.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, pixels in [0, 1].
    n_classes : int
        Number of logits.
    filters : sequence of int, default=(32, 32)
        Filters of each 3 x 3 'valid' ReLU convolution; a 2 x 2 max-pooling stands
        between every two.
    dense_units : sequence of int, default=(64,)
        Units of each hidden dense ReLU layer.
    dropout : float in [0, 1), default=0.0
        Share of the units of each hidden dense layer dropped in training; at 0 there is
        no dropout layer.

    Returns
    -------
    keras.Model
        Maps (n, height, width, channels) float32 to (n, n_classes) logits.

    Raises
    ------
    ValueError
        If the image is too small for that many convolutions, or a size is no whole
        number of 1 or more.

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
    """Build the report's Medium network ("complex").

    Convolutions 128, 512 and 1024 with pooling between them, dense 256 and 128, logits:
    7,704,196 parameters on 28 x 28 x 1 images of 4 classes.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, pixels in [0, 1].
    n_classes : int
        Number of logits.
    filters : sequence of int, default=(128, 512, 1024)
        Filters of each 3 x 3 'valid' ReLU convolution; a 2 x 2 max-pooling stands
        between every two.
    dense_units : sequence of int, default=(256, 128)
        Units of each hidden dense ReLU layer.
    dropout : float in [0, 1), default=0.0
        Share of the units of each hidden dense layer dropped in training; at 0 there is
        no dropout layer.

    Returns
    -------
    keras.Model
        Maps (n, height, width, channels) float32 to (n, n_classes) logits.

    Raises
    ------
    ValueError
        If the image is too small for that many convolutions, or a size is no whole
        number of 1 or more.

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
    """Build the report's Large network, which as printed is Medium.

    The report's text calls Large bulkier and quicker to overfit than Medium; its printed
    code and summary are Medium's, layer for layer. This function follows the print, so
    that the report's row can be rebuilt. For a network that really is larger, pass
    more `filters` or `dense_units`.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, pixels in [0, 1].
    n_classes : int
        Number of logits.
    filters : sequence of int, default=(128, 512, 1024)
        Filters of each 3 x 3 'valid' ReLU convolution; a 2 x 2 max-pooling stands
        between every two.
    dense_units : sequence of int, default=(256, 128)
        Units of each hidden dense ReLU layer.
    dropout : float in [0, 1), default=0.0
        Share of the units of each hidden dense layer dropped in training; at 0 there is
        no dropout layer.

    Returns
    -------
    keras.Model
        Maps (n, height, width, channels) float32 to (n, n_classes) logits.

    Raises
    ------
    ValueError
        If the image is too small for that many convolutions, or a size is no whole
        number of 1 or more.

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


def residual(
    input_shape, n_classes, *, filters=(32, 64, 128, 128), dense_units=(), dropout=0.0
):
    """Build the residual network of :class:`octsk.ResidualOCTNet`.

    Each image is standardized; then come a 3 x 3 convolution, residual blocks of two each
    (He et al. 2016) with batch normalization, the mean over the image, and logits: 604,580
    parameters and 52 million multiply-adds on 28 x 28 x 1 images of 4 classes.

    Parameters
    ----------
    input_shape : tuple of (height, width, channels)
        Shape of one image, pixels in [0, 1]; of any size.
    n_classes : int
        Number of logits.
    filters : sequence of int, default=(32, 64, 128, 128)
        Filters of each residual block; one with others than the block before halves the
        image.
    dense_units : sequence of int, default=()
        Units of each hidden dense ReLU layer.
    dropout : float in [0, 1), default=0.0
        Share of the means, and of the units of each hidden dense layer, dropped in
        training; at 0 there is no dropout layer.

    Returns
    -------
    keras.Model
        Maps (n, height, width, channels) float32 to (n, n_classes) logits.

    Raises
    ------
    ValueError
        If a size is no whole number of 1 or more, there are no `filters`, or the
        `input_shape` is not of three numbers.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR
    2016, pp. 770-778. Blocks and shortcuts are its; depth and filters are octsk's own.

    Examples
    --------
    >>> from octsk.architectures import residual
    >>> residual((28, 28, 1), 4).count_params()
    604580
    """
    filters = _positive_ints(filters, "filters")
    if not filters:
        raise ValueError("filters must hold one number or more, got none.")
    dense_units = _positive_ints(dense_units, "dense_units")
    _check_shape(input_shape)
    image = keras.Input(input_shape)
    # To mean 0 and variance 1, each by itself: devices differ in brightness and contrast.
    # Keras's own epsilon, 0.001, is the variance of images of little contrast.
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-5)(
        image
    )
    x = _convolution(x, filters[0])
    for n, before in zip(filters, [filters[0], *filters], strict=False):
        x = _residual_block(x, n, halve=n != before)
    x = layers.GlobalAveragePooling2D()(x)
    for n in dense_units:
        if dropout:
            x = layers.Dropout(dropout)(x)
        x = layers.Dense(n, activation="relu")(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(n_classes)(x), name="residual_oct_net")


@keras.saving.register_keras_serializable("octsk")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization by TensorFlow's one operation for it.

    Keras 3.15 puts it together from a dozen operations, each with a pass over the images
    that takes about as long as the convolution before it.
    """

    def call(self, inputs, training=False):
        """Normalize by the means of the batch in training, else by the moving ones.

        Parameters
        ----------
        inputs : tensorflow.Tensor of shape (n, h, w, c)
            What to normalize over all axes but the last.
        training : bool, default=False
            Whether to take the means and variances of these inputs.

        Returns
        -------
        tensorflow.Tensor of shape (n, h, w, c)
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
    x = layers.Conv2D(n, size, strides=strides, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def _residual_block(x, n, halve):
    y = _convolution(x, n, strides=2 if halve else 1)
    y = _convolution(y, n, activation=None)
    if halve:
        # Means, so that the shortcut leaves out no pixel.
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = _convolution(x, n, size=1, activation=None)
    return layers.Activation("relu")(layers.Add()([x, y]))


def _conv_pool_dense(input_shape, n_classes, filters, dense_units, dropout, name):
    filters = _positive_ints(filters, "filters")
    dense_units = _positive_ints(dense_units, "dense_units")
    _check_size(input_shape, len(filters))
    model = keras.Sequential([keras.Input(input_shape)], name=name)
    for i, n in enumerate(filters):
        if i > 0:
            model.add(layers.MaxPooling2D(2))
        model.add(layers.Conv2D(n, 3, activation="relu"))
    model.add(layers.Flatten())
    for n in dense_units:
        model.add(layers.Dense(n, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(n_classes))
    return model


def _positive_ints(numbers, name):
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in numbers):
        raise ValueError(f"{name} must be whole numbers of 1 or more, got {numbers!r}.")
    return [int(n) for n in numbers]


def _check_shape(input_shape):
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape must be (height, width, channels), got {tuple(input_shape)}."
        )


def _check_size(input_shape, n_convolutions):
    _check_shape(input_shape)
    # Backwards from one remaining pixel: a convolution takes 2, a pooling halves.
    needed = 3
    for _ in range(n_convolutions - 1):
        needed = 2 * needed + 2
    height, width = input_shape[:2]
    if min(height, width) < needed:
        raise ValueError(
            f"images of {height} x {width} pixels are too small for {n_convolutions} "
            f"convolutions with pooling between them: at least {needed} x {needed} are "
            "needed. Give fewer `filters` or larger images."
        )
