"""Faster convolutions for the copy of a network that is trained.

In float32 they use Winograd's algorithm, which computes a convolution as matrix products
with fewer multiplications (A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016). Weights, shapes and values stay the same, apart from rounding.
"""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import keras, tf  # isort: split

from functools import cache

import numpy as np

# Points of the Toom-Cook algorithm, to which infinity is added. They are small, since the
# rounding errors grow with their powers.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)

# Height and width of the tiles that an output of this height and width is divided into. For
# other sizes and for fewer channels, TensorFlow's own kernels are faster.
_TILES = {3: 3, 10: 5}
_LEAST_CHANNELS = 128

# Kernels are transformed in parts of about this size. In each step, the C library of Linux
# requests arrays of more than 32 MB from the system anew, which takes as long as products.
_PART_BYTES = 16 * 2**20

# Outputs of at most this height and width are computed in bfloat16 as one matrix product.
# Winograd's algorithm would make the rounding errors of bfloat16 5 to 13 times as large.
_LARGEST_PRODUCT = 3


def use_fast_convolutions(model):
    """Let a network use faster convolutions where they are known to be faster.

    The choice only depends on the shapes of the layers, so that results are repeatable.

    Parameters
    ----------
    model : keras.Model
        The copy of a network that is trained. It is changed in place.
    """
    for layer, tile, used in _fast_layers(model):
        layer.convolution_op = _operation(tile, used)


def has_fast_convolutions(model):
    """Return whether `use_fast_convolutions` would change a network."""
    return any(True for _ in _fast_layers(model))


def _fast_layers(model):
    """Yield the layers to change, the size of their tiles, and the outputs in use."""
    # On GPUs, TensorFlow uses Winograd's algorithm itself.
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    if has_gpu or not isinstance(model, keras.Sequential):
        return
    for layer, following in zip(model.layers, model.layers[1:], strict=False):
        # A layer that was only called with images, as in a custom network, has no output.
        output = getattr(layer, "output", None)
        if output is None or not _is_plain(layer):
            continue
        used = [_size_in_use(size, following) for size in output.shape[1:3]]
        tile = _TILES.get(used[0])
        if tile and used[0] == used[1] and min(layer.kernel.shape[2:]) >= _LEAST_CHANNELS:
            yield layer, tile, used[0]


def _is_plain(layer):
    """Return whether a layer is an unpadded 3 x 3 convolution without further options."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.padding == "valid"
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _size_in_use(size, following):
    """Return how many rows or columns of a layer's output the following layer uses."""
    drops_last = (
        type(following) is keras.layers.MaxPooling2D
        and following.pool_size == following.strides == (2, 2)
        and following.padding == "valid"
    )
    return size - size % 2 if drops_last else size


def _operation(tile, used):
    """Return a replacement of ``Conv2D.convolution_op`` for the outputs in use."""

    def convolve(inputs, kernel):
        x, kernel = tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel)
        x = x[:, : used + 2, : used + 2]
        if x.dtype == tf.float32:
            return winograd(x, kernel, tile)
        if used <= _LARGEST_PRODUCT:
            return one_product(x, kernel)
        return tf.nn.conv2d(x, kernel, 1, "VALID")

    return convolve


def one_product(x, kernel):
    """Convolve images with 3 x 3 kernels as one product of patches and kernels.

    Parameters and return value are those of `winograd`, but images have any size.
    """
    _, height, width, channels = x.shape
    filters = kernel.shape[3]
    height, width = height - 2, width - 2
    shifted = [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    patches = tf.reshape(tf.concat(shifted, axis=-1), (-1, 9 * channels))
    products = patches @ tf.reshape(kernel, (9 * channels, filters))
    return tf.reshape(products, (-1, height, width, filters))


def winograd(x, kernel, tile):
    """Convolve images with 3 x 3 kernels without padding.

    Parameters
    ----------
    x : tensorflow.Tensor of shape (n, h, w, c)
        Images, whose height and width are 2 more than multiples of `tile`.
    kernel : tensorflow.Tensor of shape (3, 3, c, filters)
        Kernels of the same dtype, float32.
    tile : int
        Height and width of the tiles of the output.

    Returns
    -------
    tensorflow.Tensor of shape (n, h - 2, w - 2, filters)
        The convolved images.
    """
    _, height, width, channels = x.shape
    filters = kernel.shape[3]
    rows, columns = (height - 2) // tile, (width - 2) // tile
    outputs, kernels, inputs = _transforms(tile, rows, columns)
    n_points = len(kernels)
    n_parts = min(filters, -(-4 * n_points * channels * filters // _PART_BYTES))
    if n_parts > 1:
        sizes = [len(part) for part in np.array_split(range(filters), n_parts)]
        parts = tf.split(kernel, sizes, axis=-1)
        return tf.concat([winograd(x, part, tile) for part in parts], axis=-1)
    # Axes of the output: row and column in a tile, row and column of the tile, image.
    to_images, to_tiles = (4, 2, 0, 3, 1, 5), (2, 4, 1, 3, 0, 5)

    def transform(matrix, values, *shape, back=False):
        flat = tf.reshape(values, (matrix.shape[not back], -1))
        return tf.reshape(tf.matmul(matrix, flat, transpose_a=back), shape)

    @tf.custom_gradient
    def convolve(x, kernel):
        n = tf.shape(x)[0]
        u = transform(kernels, kernel, n_points, channels, filters)
        pixels = tf.transpose(x, (1, 2, 0, 3))
        v = transform(inputs, pixels, n_points, -1, channels)
        shape = (tile, tile, rows, columns, n, filters)
        y = tf.transpose(transform(outputs, v @ u, *shape), to_images)

        def gradient(dy):
            dy = tf.reshape(dy, (n, rows, tile, columns, tile, filters))
            dy = tf.transpose(dy, to_tiles)
            dm = transform(outputs, dy, n_points, -1, filters, back=True)
            du = tf.matmul(v, dm, transpose_a=True)
            # Faster than dm times the transpose of u, which is the larger of the two.
            dv = tf.transpose(tf.matmul(u, dm, transpose_b=True), (0, 2, 1))
            dx = transform(inputs, dv, height, width, n, channels, back=True)
            dkernel = transform(kernels, du, *kernel.shape, back=True)
            return tf.transpose(dx, (2, 0, 1, 3)), dkernel

        return tf.reshape(y, (n, height - 2, width - 2, filters)), gradient

    return convolve(x, kernel)


@cache
def _transforms(tile, rows, columns):
    """Return the matrices that transform outputs, kernels, and images cut into tiles.

    The columns of the last two are the pixels of a kernel and an image, and their rows are
    points; the first has the pixels of a tile as rows and points as columns.
    """
    n = tile + 2
    finite = np.array(_POINTS[: n - 1])
    output = np.vander(finite, tile, increasing=True).T
    output = np.column_stack([output, np.eye(tile)[-1]])
    kernel, image = np.zeros((n, 3)), np.zeros((n, n))
    for i, point in enumerate(finite):
        others = np.delete(finite, i)
        kernel[i] = point ** np.arange(3) / np.prod(point - others)
        image[i, :-1] = np.poly(others)[::-1]
    kernel[-1, -1] = 1
    image[-1] = np.poly(finite)[::-1]

    def cut(n_tiles):
        matrix = np.zeros((n, n_tiles, tile * n_tiles + 2))
        for i in range(n_tiles):
            matrix[:, i, tile * i : tile * i + n] = image
        return matrix

    images = np.einsum("ipx,jqy->ijpqxy", cut(rows), cut(columns))
    images = images.reshape(n * n * rows * columns, -1)
    products = np.kron(output, output), np.kron(kernel, kernel), images
    return tuple(matrix.astype(np.float32) for matrix in products)
