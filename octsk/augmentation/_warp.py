"""Affine transforms of images: their matrices, and one compiled warp that applies them."""

import functools

import numpy as np

from octsk.utils.tensorflow import silent_about_retracing

# Number of pixels that are warped at a time, which 1,024 images of 28 x 28 pixels have. The
# limit bounds the memory for float32 copies and keeps pixel indices within 32 bits.
_CHUNK_PIXELS = 1024 * 28 * 28


def images_at_a_time(image_shape):
    """Return how many images of a shape are warped at a time."""
    return max(1, _CHUNK_PIXELS // (image_shape[0] * image_shape[1]))


def affine_transforms(
    image_shape, rotation, right, down, shear, width_zoom, height_zoom, flip
):
    """Compute the affine maps from output pixels to input positions.

    The order is that of Keras's ``ImageDataGenerator``: rotation, shift, shear and zoom
    about the centre of the image, then the flip.

    Parameters
    ----------
    image_shape : tuple of (h, w, ...)
        Shape of an image.
    rotation, shear : array-like of shape (n,)
        Angles in degrees.
    right, down : array-like of shape (n,)
        Shifts of the input position in pixels, to the right and down.
    width_zoom, height_zoom : array-like of shape (n,)
        Factors by which distances from the centre are multiplied. Those above 1 shrink the
        image.
    flip : array-like of shape (n,), bool
        Whether to mirror the result left to right.

    Returns
    -------
    ndarray of shape (n, 6), float64
        Rows (a, b, c, d, e, f). The output pixel in column x and row y takes its value
        from the input position (a x + b y + c, d x + e y + f).
    """
    height, width = image_shape[:2]
    angle, slant = np.deg2rad(rotation), np.deg2rad(shear)
    cos, sin = np.cos(angle), np.sin(angle)
    # The product rotation @ shear @ zoom, with the shift between the first two.
    a = cos * width_zoom
    b = (-cos * np.sin(slant) - sin * np.cos(slant)) * height_zoom
    d = sin * width_zoom
    e = (-sin * np.sin(slant) + cos * np.cos(slant)) * height_zoom
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    c = centre_x + cos * right - sin * down - a * centre_x - b * centre_y
    f = centre_y + sin * right + cos * down - d * centre_x - e * centre_y
    # A mirrored result takes column width - 1 - x instead of x.
    c, f = np.where(flip, [a, d], 0) * (width - 1) + [c, f]
    sign = np.where(flip, -1, 1)
    return np.column_stack([a * sign, b, c, d * sign, e, f])


def warp_affine(images, affine, fill_mode):
    """Warp images by affine maps with bilinear interpolation.

    Parameters
    ----------
    images : tensorflow.Tensor of shape (n, h, w, c), float32
        Images.
    affine : array-like of shape (n, 6), float32
        Affine map of each image from `affine_transforms`.
    fill_mode : {"nearest", "reflect", "constant"}
        How to fill pixels from outside the image.

    Returns
    -------
    tensorflow.Tensor of shape (n, h, w, c), float32
        The warped images.
    """
    return run_padded(_compiled_warp(), images, affine, fill_mode)


def run_padded(compiled, images, rows, *settings):
    """Call a compiled function with images and one row of numbers for each of them.

    The function is compiled anew for each number of images. Therefore a batch is padded to
    one of a few sizes: to the next power of two, but at least to 32 images, or to
    `images_at_a_time` if that is less.
    """
    from octsk.utils.tensorflow import tf

    n = tf.shape(images)[0]
    power = tf.math.ceil(
        tf.math.log(tf.maximum(tf.cast(n, tf.float32), 1) - 0.5) / np.log(2)
    )
    least = min(32, images_at_a_time(images.shape[1:]))
    size = tf.maximum(tf.cast(2**power, tf.int32), least)
    size = tf.where(size < n, 2 * size, size)  # float32 may have rounded down
    padded = tf.pad(images, [[0, size - n], [0, 0], [0, 0], [0, 0]])
    rows = tf.pad(rows, [[0, size - n], [0, 0]])
    # Run on the CPU, as all data pipelines do, and since _has_xla has only tested the CPU.
    # TensorFlow would warn about retracing, but one graph for each shape is intended.
    with tf.device("CPU:0"), silent_about_retracing("_compiled_"):
        changed = compiled(padded, rows, *settings)[:n]
    return tf.ensure_shape(changed, images.shape)


@functools.cache
def _has_xla():
    """Return whether this build of TensorFlow can compile with XLA."""
    from octsk.utils.tensorflow import tf

    # Run the test now instead of adding it to a graph that is being traced.
    with tf.init_scope(), tf.device("CPU:0"):
        try:
            tf.function(tf.identity, jit_compile=True, autograph=False)(tf.zeros(()))
        except tf.errors.OpError:
            return False
    return True


@functools.cache
def _compiled_warp():
    """Return the function that warps images, compiled with XLA if it is available.

    With XLA, it is faster than TensorFlow's ImageProjectiveTransformV3, which computes the
    position of each pixel separately. Without XLA, it is slower than that op, but returns
    the same results as with XLA up to rounding. The op would return other values near the
    edges of an image, which it blends with what lies outside.
    """
    from octsk.utils.tensorflow import tf

    def bring_inside(place, size, fill_mode):
        if fill_mode == "reflect":
            place = tf.math.floormod(place, 2.0 * size)
            place = tf.minimum(place, 2.0 * size - 1 - place)
        return tf.clip_by_value(place, 0.0, size - 1.0)

    def neighbours(place, size):
        """Return the pixels before and after a position, and the weight of the latter."""
        before = tf.floor(place)
        first = tf.cast(before, tf.int32)
        return first, tf.minimum(first + 1, size - 1), (place - before)[..., None]

    @tf.function(jit_compile=_has_xla(), autograph=False)
    def warp(images, affine, fill_mode):
        height, width, n_channels = images.shape[1:]
        x = tf.range(width, dtype=tf.float32)[None, None, :]
        y = tf.range(height, dtype=tf.float32)[None, :, None]
        a, b, c, d, e, f = (affine[:, i, None, None] for i in range(6))
        from_x, from_y = a * x + b * y + c, d * x + e * y + f
        left, right, share_x = neighbours(bring_inside(from_x, width, fill_mode), width)
        above, below, share_y = neighbours(bring_inside(from_y, height, fill_mode), height)
        pixels = tf.reshape(images, (-1, n_channels))
        image = tf.range(tf.shape(images)[0])[:, None, None] * height

        def row(y):
            start = (image + y) * width
            before = tf.gather(pixels, start + left)
            return before + share_x * (tf.gather(pixels, start + right) - before)

        upper = row(above)
        warped = upper + share_y * (row(below) - upper)
        if fill_mode == "constant":
            # As in Keras and SciPy, positions outside the image are black, and edge pixels
            # are not blended with black.
            inside = (from_x >= 0) & (from_x <= width - 1)
            inside &= (from_y >= 0) & (from_y <= height - 1)
            warped *= tf.cast(inside, tf.float32)[..., None]
        return warped

    return warp
