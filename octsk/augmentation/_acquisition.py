"""Changes that imitate another scanner: amplitude spectra, blur, erased boxes and noise."""

import functools

import numpy as np

from octsk.augmentation import _warp

# Range of the height and width of an erased box, as fractions of those of the image. Random
# Erasing (Zhong et al. 2020) erases up to 40 % of the area, which can hide the whole
# retina.
_ERASED_SIDE = 0.1, 0.3


def mix_amplitude(images, share, partners):
    """Mix the amplitude spectra of images with those of other images, and keep the phases.

    Parameters
    ----------
    images : tensorflow.Tensor of shape (n, h, w, c), float32
        Images with pixels in [0, 1].
    share : tensorflow.Tensor of shape (n,), float32
        Weight of the other image's amplitudes, in [0, 1].
    partners : tensorflow.Tensor of shape (n, h, w, c), float32
        For each image, the other image.

    Returns
    -------
    tensorflow.Tensor of shape (n, h, w, c), float32
        The mixed images, with pixels in [0, 1].
    """
    return _spectral_mix()(images, share, partners)


@functools.cache
def _spectral_mix():
    """Return the function behind `mix_amplitude`, compiled for any shape."""
    from octsk.utils.tensorflow import tf

    def spectrum(x):
        return tf.signal.rfft2d(tf.transpose(x, (0, 3, 1, 2)))

    @tf.function(reduce_retracing=True, autograph=False)
    def mix(images, share, partners):
        own = spectrum(images)
        amplitude, other = tf.abs(own), tf.abs(spectrum(partners))
        change = tf.math.divide_no_nan(other, amplitude) - 1
        factor = tf.cast(1 + share[:, None, None, None] * change, own.dtype)
        mixed = tf.signal.irfft2d(own * factor, tf.shape(images)[1:3])
        return tf.clip_by_value(tf.transpose(mixed, (0, 2, 3, 1)), 0.0, 1.0)

    return mix


def boxes(image_shape, u, erased):
    """Compute the edges and grey values of the boxes to erase.

    Parameters
    ----------
    image_shape : tuple of (h, w, ...)
        Shape of an image.
    u : ndarray of shape (n, 5)
        Random numbers in [0, 1).
    erased : ndarray of shape (n,), bool
        Whether a box of each image is erased. If not, its box is empty.

    Returns
    -------
    ndarray of shape (n, 5), float64
        For each image, the first row, last row, first column and last column of its box,
        and the grey value in [0, 1] that fills the box.
    """
    low, high = _ERASED_SIDE
    size = np.array(image_shape[:2])
    centre = u[:, :2] * size - 0.5
    half = (low + (high - low) * u[:, 2:4]) * size / 2
    (top, left), (bottom, right) = (centre - half).T, (centre + half).T
    bottom = np.where(erased, bottom, -1)
    return np.column_stack([top, bottom, left, right, u[:, 4]])


def blur_and_erase(images, changes):
    """Blur images and fill a box in each of them with a grey value.

    Parameters
    ----------
    images : tensorflow.Tensor of shape (n, h, w, c), float32
        Images with pixels in [0, 1].
    changes : tensorflow.Tensor of shape (n, 6), float32
        For each image, the standard deviation of the blur in pixels, followed by the five
        values of its box from :func:`boxes`. An empty box erases nothing.

    Returns
    -------
    tensorflow.Tensor of shape (n, h, w, c), float32
        The changed images, with pixels in [0, 1].
    """
    return _warp.run_padded(_compiled_blur_and_erase(), images, changes)


def add_noise(images, changes):
    """Add multiplicative and additive Gaussian noise to images.

    Images for which both standard deviations are 0 are skipped, which saves time.

    Parameters
    ----------
    images : tensorflow.Tensor of shape (n, h, w, c), float32
        Images with pixels in [0, 1].
    changes : tensorflow.Tensor of shape (n, 3), float32
        For each image, the standard deviation of the multiplicative noise, that of the
        additive noise, and a number in [0, 1) that seeds the noise.

    Returns
    -------
    tensorflow.Tensor of shape (n, h, w, c), float32
        The changed images, with pixels in [0, 1].
    """
    from octsk.utils.tensorflow import tf

    noisy = tf.where(tf.reduce_any(changes[:, :2] > 0, axis=1))
    part = tf.ensure_shape(tf.gather_nd(images, noisy), (None, *images.shape[1:]))
    part = _warp.run_padded(_compiled_noise(), part, tf.gather_nd(changes, noisy))
    return tf.tensor_scatter_nd_update(images, noisy, part)


@functools.cache
def _compiled_blur_and_erase():
    """Return the function behind `blur_and_erase`, compiled if XLA is available."""
    from octsk.utils.tensorflow import tf

    def weights(size, deviation):
        """Return matrices that blur along one axis, normalized within the image."""
        place = np.arange(size, dtype=np.float32)
        distance = (place[:, None] - place) / tf.maximum(deviation, 1e-3)[:, None, None]
        weight = tf.exp(-0.5 * distance**2)
        return weight / tf.reduce_sum(weight, axis=2, keepdims=True)

    @tf.function(jit_compile=_warp._has_xla(), autograph=False)
    def blur_and_erase(images, changes):
        height, width = images.shape[1:3]
        deviation, *box = tf.unstack(changes, axis=1)
        images = tf.einsum("nij,njwc->niwc", weights(height, deviation), images)
        images = tf.einsum("nij,nhjc->nhic", weights(width, deviation), images)
        top, bottom, left, right, grey = (value[:, None, None, None] for value in box)
        row = np.arange(height, dtype=np.float32)[:, None, None]
        column = np.arange(width, dtype=np.float32)[:, None]
        inside = (row >= top) & (row <= bottom) & (column >= left) & (column <= right)
        return tf.where(inside, grey, tf.clip_by_value(images, 0.0, 1.0))

    return blur_and_erase


@functools.cache
def _compiled_noise():
    """Return the function behind `add_noise`, compiled if XLA is available."""
    from octsk.utils.tensorflow import tf

    def scramble(x):
        """Scramble 32-bit integers by the hash function "lowbias32" of C. Wellons.

        See https://nullprogram.com/blog/2018/07/31/.
        """
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(shift)))
            x *= np.uint32(factor)
        return x

    def uniform(x):
        """Convert the upper 24 of 32 bits to a float32 number in (0, 1)."""
        high = tf.bitwise.right_shift(x, np.uint32(8))
        return (tf.cast(high, tf.float32) + 0.5) * 2.0**-24

    @tf.function(jit_compile=_warp._has_xla(), autograph=False)
    def noise(images, changes):
        # The noise of an image must depend only on its own seed. With TensorFlow's random
        # generators, it would also depend on the other images in the batch.
        place = np.arange(np.prod(images.shape[1:]), dtype=np.uint32)
        seed = scramble(tf.bitcast(changes[:, 2], tf.uint32))
        first = scramble(seed[:, None] + place)
        second = scramble(first + np.uint32(0x9E3779B9))
        # The Box-Muller transform converts two uniform numbers to two normal ones.
        radius = tf.sqrt(-2 * tf.math.log(uniform(first)))
        angle = 2 * np.pi * uniform(second)
        speckle = changes[:, :1] * radius * tf.cos(angle)
        added = changes[:, 1:2] * radius * tf.sin(angle)
        speckle, added = (tf.reshape(x, (-1, *images.shape[1:])) for x in (speckle, added))
        return tf.clip_by_value(images * (1 + speckle) + added, 0.0, 1.0)

    return noise
