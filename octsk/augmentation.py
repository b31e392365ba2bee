"""Random small changes of training images: one affine warp behind a transformer."""

import functools
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from octsk.utils.tensorflow import silent_about_retracing
from octsk.utils.validation import (
    as_array,
    check_column,
    check_lengths,
    to_batch,
    to_unit,
    validate_images,
)

# The report's two settings (Ganser & Diaconescu 2021, its augmentation table), and those
# of ResidualOCTNet, octsk's own.
PRESETS = {
    "training": dict(
        rotation_range=3.0,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.001,
        zoom_range=0.1,
        horizontal_flip=False,
        fill_mode="nearest",
    ),
    "demonstration": dict(
        rotation_range=10.0,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.1,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="nearest",
    ),
    "residual": dict(
        rotation_range=10.0,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.0,
        zoom_range=0.15,
        horizontal_flip=True,
        fill_mode="nearest",
    ),
}

# Pixels warped at a time by the transformer, those of 1,024 images of 28 x 28: bounds its
# float32 working memory, and keeps places among them within 32 bits.
_CHUNK_PIXELS = 1024 * 28 * 28


def _transforms(self):
    if self.n_copies is not None:
        raise AttributeError(
            "OCTAugmenter(n_copies=...) is a resampler: it has fit_resample and no "
            "transform. Leave n_copies at None for a transformer."
        )
    return True


def _resamples(self):
    if self.n_copies is None:
        raise AttributeError(
            "OCTAugmenter() is a transformer. Set n_copies=1 or more for a resampler "
            "with fit_resample."
        )
    return True


# scikit-learn's wrapping of transform for data frame output would hide available_if.
class OCTAugmenter(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Random rotation, shift, shear, zoom and flip of training images.

    The geometry is that of Keras's ``ImageDataGenerator``: for the same drawn numbers
    it gives the same image, to rounding. The defaults are the settings that the report
    trained with.

    Used in three ways, always for training images only:

    - as ``augmentation=`` of an octsk estimator: on the fly, batch by batch, each epoch
      anew;
    - as a step of a scikit-learn pipeline: `fit_transform`, which a pipeline calls in
      training, returns one random variant of each image; `transform`, which it calls in
      prediction, returns the images as they are;
    - with `n_copies`, as a resampler of an imbalanced-learn pipeline: `fit_resample`
      returns the images with `n_copies` variants of each and the labels to go with them.
      imbalanced-learn takes a step either as transformer or as resampler, so
      `transform` is absent then.

    Parameters
    ----------
    rotation_range : float in [0, 180], default=3.0
        Rotations are drawn from plus or minus this many degrees.
    width_shift_range, height_shift_range : float in [0, 1], default=0.2
        Horizontal and vertical shifts are drawn from plus or minus this fraction of the
        width and height.
    shear_range : float in [0, 90), default=0.001
        Shear angles are drawn from plus or minus this many degrees.
    zoom_range : float in [0, 1), default=0.1
        Horizontal and vertical zoom factors are drawn, apart from each other, from
        1 minus to 1 plus this. Above 1 the image shrinks.
    horizontal_flip : bool, default=False
        Whether every second image, at random, is mirrored left to right (a left eye
        becomes a right one).
    brightness_range : float in [0, 1], default=0.0
        An offset drawn from plus or minus this fraction of the full intensity range is
        added.
    contrast_range : float in [0, 1], default=0.0
        Differences from the image's mean intensity are multiplied by a factor drawn from
        1 minus to 1 plus this.
    fill_mode : {"nearest", "reflect", "constant"}, default="nearest"
        What fills the pixels from outside the image: its nearest edge pixel, its mirror
        image, or black.
    n_copies : int or None, default=None
        None for a transformer; a number of variants of each image for a resampler.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. Not used inside an estimator, whose own `random_state` rules.

    Attributes
    ----------
    image_shape_ : tuple of (h, w, c)
        Shape of the images seen in `fit`.
    n_features_in_ : int
        Number of pixel values in an image, ``h * w * c``.

    See Also
    --------
    MediumOCTNet : Estimator that augments on the fly with ``augmentation=``.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from octsk import OCTAugmenter
    >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
    >>> augmenter = OCTAugmenter(rotation_range=10, random_state=0)
    >>> varied = augmenter.fit_transform(X)
    >>> varied.shape, varied.dtype
    ((3, 28, 28), dtype('uint8'))
    >>> bool((varied == X).all()), bool((augmenter.transform(X) == X).all())
    (False, True)
    """

    _parameter_constraints: dict = {
        "rotation_range": [Interval(Real, 0, 180, closed="both")],
        "width_shift_range": [Interval(Real, 0, 1, closed="both")],
        "height_shift_range": [Interval(Real, 0, 1, closed="both")],
        "shear_range": [Interval(Real, 0, 90, closed="left")],
        "zoom_range": [Interval(Real, 0, 1, closed="left")],
        "horizontal_flip": ["boolean"],
        "brightness_range": [Interval(Real, 0, 1, closed="both")],
        "contrast_range": [Interval(Real, 0, 1, closed="both")],
        "fill_mode": [StrOptions({"nearest", "reflect", "constant"})],
        "n_copies": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        rotation_range=3.0,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.001,
        zoom_range=0.1,
        horizontal_flip=False,
        brightness_range=0.0,
        contrast_range=0.0,
        fill_mode="nearest",
        n_copies=None,
        random_state=None,
    ):
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.shear_range = shear_range
        self.zoom_range = zoom_range
        self.horizontal_flip = horizontal_flip
        self.brightness_range = brightness_range
        self.contrast_range = contrast_range
        self.fill_mode = fill_mode
        self.n_copies = n_copies
        self.random_state = random_state

    @classmethod
    def from_preset(cls, name, **params):
        """Make an augmenter with known settings.

        Parameters
        ----------
        name : {"training", "demonstration", "residual"}
            The settings that the report trained with (the defaults), the stronger ones
            that it shows in a picture, or those of :class:`~octsk.ResidualOCTNet`.
        **params
            Parameters that differ from the preset.

        Returns
        -------
        OCTAugmenter
            The augmenter.

        Raises
        ------
        ValueError
            If there is no preset of that name.

        Examples
        --------
        >>> from octsk import OCTAugmenter
        >>> OCTAugmenter.from_preset("demonstration").rotation_range
        10.0
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {sorted(PRESETS)}, got {name!r}.")
        return cls(**{**PRESETS[name], **params})

    def fit(self, X, y=None):
        """Check the parameters and remember the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        OCTAugmenter
            The augmenter itself.

        Raises
        ------
        ValueError
            If a parameter or `X` is not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> OCTAugmenter().fit(X).image_shape_
        (28, 28, 1)
        """
        self._fit(X)
        return self

    def _fit(self, X):
        self._validate_params()
        return validate_images(self, X, reset=True)

    @available_if(_transforms)
    def transform(self, X):
        """Return the images as they are: augmentation is for training only.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`.

        Returns
        -------
        ndarray
            `X`, unchanged.

        Raises
        ------
        ValueError
            If the images have another shape than in `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> bool((OCTAugmenter().fit(X).transform(X) == X).all())
        True
        """
        check_is_fitted(self)
        return validate_images(self, X, reset=False).reshape(_shape(X))

    @available_if(_transforms)
    def fit_transform(self, X, y=None):
        """Return one random variant of each image.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        ndarray
            The variants, with the shape and dtype of `X`.

        Raises
        ------
        ValueError
            If a parameter or `X` is not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> OCTAugmenter(random_state=0).fit_transform(X).shape
        (3, 28, 28)
        """
        images = self._fit(X)
        varied = self._vary(images, check_random_state(self.random_state))
        return varied.reshape(_shape(X))

    @available_if(_resamples)
    def fit_resample(self, X, y):
        """Return the images followed by `n_copies` random variants of each.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        X_resampled : ndarray with ``n * (1 + n_copies)`` images
            The images, then all first variants, then all second ones and so on.
        y_resampled : ndarray of shape (n * (1 + n_copies),)
            Their labels.

        Raises
        ------
        ValueError
            If a parameter, `X` or `y` is not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> sampler = OCTAugmenter(n_copies=2, random_state=0)
        >>> X_more, y_more = sampler.fit_resample(X, [0, 1, 1])
        >>> X_more.shape, y_more.tolist()
        ((9, 28, 28), [0, 1, 1, 0, 1, 1, 0, 1, 1])
        """
        images = self._fit(X)
        y = check_column(y)
        check_lengths(X, y)
        rng = check_random_state(self.random_state)
        copies = [images, *(self._vary(images, rng) for _ in range(self.n_copies))]
        shape = (-1, *_shape(X)[1:])
        return np.concatenate(copies).reshape(shape), np.tile(y, 1 + self.n_copies)

    def _vary(self, images, rng):
        draws = self.draw(len(images), images.shape[1:], rng)
        varied = np.empty_like(images)
        size = _images_at_a_time(images.shape[1:])
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            unit = self.warp(to_unit(to_batch(images[part])), draws[part]).numpy()
            # Integers are rounded, not cut, so that the identity gives them back.
            varied[part] = unit if images.dtype.kind == "f" else np.rint(unit * 255)
        return varied

    def draw(self, n, image_shape, rng):
        """Draw the random changes of `n` images.

        Row ``i`` depends on the random state and ``i`` alone, so the variants do not
        depend on how the images are split into batches.

        Parameters
        ----------
        n : int
            Number of images.
        image_shape : tuple of (h, w, c)
            Shape of an image.
        rng : numpy.random.Generator or numpy.random.RandomState
            Source of the random numbers.

        Returns
        -------
        ndarray of shape (n, 8), float32
            Per image the six numbers of its affine transform, its contrast factor and
            its brightness offset, as :meth:`warp` takes them.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> OCTAugmenter().draw(3, (28, 28, 1), np.random.default_rng(0)).shape
        (3, 8)
        """
        u = rng.random((n, 9))
        # Columns 0 to 7 from -1 to 1, times a range.
        spread = (2 * u[:, :8] - 1) * [
            self.rotation_range,
            self.width_shift_range * image_shape[1],
            self.height_shift_range * image_shape[0],
            self.shear_range,
            self.zoom_range,
            self.zoom_range,
            self.contrast_range,
            self.brightness_range,
        ]
        rotation, right, down, shear, zoom_w, zoom_h, contrast, brightness = spread.T
        flip = (u[:, 8] < 0.5) & self.horizontal_flip
        affine = affine_transforms(
            image_shape, rotation, right, down, shear, 1 + zoom_w, 1 + zoom_h, flip
        )
        return np.column_stack([affine, 1 + contrast, brightness]).astype(np.float32)

    def warp(self, images, draws):
        """Apply drawn changes to a batch of images.

        Parameters
        ----------
        images : tensorflow.Tensor of shape (n, h, w, c), float32
            Images with pixels in [0, 1].
        draws : array-like of shape (n, 8), float32
            What :meth:`draw` returned for them.

        Returns
        -------
        tensorflow.Tensor of shape (n, h, w, c), float32
            The changed images, pixels in [0, 1].

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> augmenter = OCTAugmenter()
        >>> draws = augmenter.draw(3, (28, 28, 1), np.random.default_rng(0))
        >>> augmenter.warp((X[..., None] / 255).astype(np.float32), draws).shape
        TensorShape([3, 28, 28, 1])
        """
        from octsk.utils.tensorflow import tf

        images = _warp_affine(images, draws[:, :6], self.fill_mode)
        if self.contrast_range or self.brightness_range:
            factor, offset = draws[:, 6, None, None, None], draws[:, 7, None, None, None]
            mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
            images = tf.clip_by_value((images - mean) * factor + mean + offset, 0.0, 1.0)
        return images

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # fit_transform varies the images and transform does not, by design.
        tags.non_deterministic = True
        return tags


def _shape(X):
    return as_array(X, "X").shape


def _images_at_a_time(image_shape):
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


def _warp_affine(images, affine, fill_mode):
    from octsk.utils.tensorflow import tf

    # Compiled anew for each shape, so there are to be few of them: numbers of images are
    # rounded up to powers of two, from 32 or, of large images, from what is warped at a
    # time.
    n = tf.shape(images)[0]
    power = tf.math.ceil(tf.math.log(tf.cast(n, tf.float32) - 0.5) / np.log(2))
    least = min(32, _images_at_a_time(images.shape[1:]))
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
