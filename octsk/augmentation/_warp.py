"""Random affine changes of images: drawn as matrices, applied by one compiled warp."""

import functools

import numpy as np

from octsk.utils.tensorflow import silent_about_retracing

# Pixels warped at a time by the transformer, those of 1,024 images of 28 x 28: bounds its
# float32 working memory, and keeps places among them within 32 bits.
_CHUNK_PIXELS = 1024 * 28 * 28


def images_at_a_time(image_shape):
    """Return how many images of a shape the transformer warps at a time."""
    return max(1, _CHUNK_PIXELS // (image_shape[0] * image_shape[1]))


def affine_transforms(
    image_shape, rotation, right, down, shear, width_zoom, height_zoom, flip
):
    """Return the affine maps from output to input pixels for drawn parameters.

    The order is that of Keras's ``ImageDataGenerator``: rotation, shift, shear and zoom
    about the image's centre, then the flip.

    Parameters
    ----------
    image_shape : tuple of (h, w, ...)
        Shape of an image.
    rotation, shear : array-like of shape (n,)
        Angles in degrees.
    right, down : array-like of shape (n,)
        Shifts in pixels of the place that is looked up, to the right and down.
    width_zoom, height_zoom : array-like of shape (n,)
        Factors on the distance from the centre.
    flip : array-like of shape (n,), bool
        Whether the result is mirrored left to right.

    Returns
    -------
    ndarray of shape (n, 6), float64
        Rows (a, b, c, d, e, f): output pixel (x, y), in columns and rows from the top
        left, is looked up at (a x + b y + c, d x + e y + f).
    """
    height, width = image_shape[:2]
    angle, slant = np.deg2rad(rotation), np.deg2rad(shear)
    cos, sin = np.cos(angle), np.sin(angle)
    # rotation @ shear @ zoom, multiplied out; the shift stands between the first two.
    a = cos * width_zoom
    b = (-cos * np.sin(slant) - sin * np.cos(slant)) * height_zoom
    d = sin * width_zoom
    e = (-sin * np.sin(slant) + cos * np.cos(slant)) * height_zoom
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    c = centre_x + cos * right - sin * down - a * centre_x - b * centre_y
    f = centre_y + sin * right + cos * down - d * centre_x - e * centre_y
    # A mirrored result looks up x' = width - 1 - x.
    c, f = np.where(flip, [a, d], 0) * (width - 1) + [c, f]
    sign = np.where(flip, -1, 1)
    return np.column_stack([a * sign, b, c, d * sign, e, f])


def warp_affine(images, affine, fill_mode):
    from octsk.utils.tensorflow import tf

    # Compiled anew for each shape, so there are to be few of them: numbers of images are
    # rounded up to powers of two, from 32 or, of large images, from what is warped at a
    # time.
    n = tf.shape(images)[0]
    power = tf.math.ceil(tf.math.log(tf.cast(n, tf.float32) - 0.5) / np.log(2))
    least = min(32, images_at_a_time(images.shape[1:]))
    size = tf.maximum(tf.cast(2**power, tf.int32), least)
    size = tf.where(size < n, 2 * size, size)  # where float32 has rounded down
    padded = tf.pad(images, [[0, size - n], [0, 0], [0, 0], [0, 0]])
    affine = tf.pad(affine, [[0, size - n], [0, 0]])
    # Where fits do it, and where XLA was tried: another device may be without it. A graph
    # is made for each shape of images, once, which is no mistake.
    with tf.device("CPU:0"), silent_about_retracing("_compiled_warp"):
        warped = _compiled_warp()(padded, affine, fill_mode)[:n]
    return tf.ensure_shape(warped, images.shape)


@functools.cache
def _has_xla():
    """Say whether TensorFlow can compile by XLA here, which not all of its builds can."""
    from octsk.utils.tensorflow import tf

    # Now, not as part of a graph that is being traced.
    with tf.init_scope(), tf.device("CPU:0"):
        try:
            tf.function(tf.identity, jit_compile=True, autograph=False)(tf.zeros(()))
        except tf.errors.OpError:
            return False
    return True


@functools.cache
def _compiled_warp():
    """Return the warp of images, compiled by XLA where TensorFlow has it.

    It takes less time than TensorFlow's own ImageProjectiveTransformV3, which asks of each
    pixel anew where it is. Without XLA the same lines take longer than that op, but come
    to the same to rounding, which the op does not: it blends edges with what is outside.
    """
    from octsk.utils.tensorflow import tf

    def bring_inside(place, size, fill_mode):
        if fill_mode == "reflect":
            place = tf.math.floormod(place, 2.0 * size)
            place = tf.minimum(place, 2.0 * size - 1 - place)
        return tf.clip_by_value(place, 0.0, size - 1.0)

    def neighbours(place, size):
        """Return the pixels before and after a place, and the share of the latter."""
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
            # As Keras and SciPy do: the value wherever the place is outside, and no
            # blending of edge pixels with it.
            inside = (from_x >= 0) & (from_x <= width - 1)
            inside &= (from_y >= 0) & (from_y <= height - 1)
            warped *= tf.cast(inside, tf.float32)[..., None]
        return warped

    return warp
