"""OCTAugmenter: random changes of images, on the fly or as a transformer or resampler."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import ADAPTERS_MANAGER, _wrap_data_with_container
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from octsk.augmentation._changes import ChangesMixin
from octsk.augmentation._presets import PRESETS
from octsk.augmentation._resampling import count_variants
from octsk.augmentation._warp import images_at_a_time
from octsk.utils.columns import check_column
from octsk.utils.tensorflow import check_eager
from octsk.utils.validation import (
    as_array,
    check_lengths,
    to_batch,
    to_unit,
    validate_images,
)


def _is_resampler(augmenter):
    return augmenter.n_copies is not None or augmenter.sampling_strategy is not None


def _transforms(self):
    if _is_resampler(self):
        raise AttributeError(
            "OCTAugmenter with n_copies or sampling_strategy is a resampler: it has "
            "fit_resample instead of transform. For a transformer, leave n_copies and "
            "sampling_strategy at None."
        )
    return True


def _resamples(self):
    if not _is_resampler(self):
        raise AttributeError(
            "OCTAugmenter without n_copies and sampling_strategy is a transformer and has "
            "no fit_resample. For a resampler, set n_copies or sampling_strategy."
        )
    return True


# scikit-learn's automatic wrapping of output in data frames fails for images and hides
# available_if, so it is disabled, and the methods below wrap their output themselves.
class OCTAugmenter(  # type: ignore[call-arg]
    ChangesMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    """Random changes of training images in geometry, intensity and acquisition.

    The geometry is that of Keras's ``ImageDataGenerator``. For the same random numbers,
    the results on square images agree up to rounding. Other images differ: Keras swaps
    height and width when it computes their centre, whereas OCTAugmenter rotates, shears
    and zooms about the true centre. The defaults are the settings used in the report
    [1]_.

    An augmenter changes training images only. There are three ways to use it:

    - as ``augmentation=`` of an octsk estimator, which augments each batch on the fly and
      draws new variants in each epoch;
    - as a step of a scikit-learn pipeline. In training, a pipeline calls `fit_transform`,
      which returns one random variant of each image; in prediction, it calls `transform`,
      which returns the images unchanged;
    - with `n_copies` or `sampling_strategy`, as a resampler in an imbalanced-learn
      pipeline. `fit_resample` returns the images, variants of them (of all classes or only
      of the rare ones) and their labels. imbalanced-learn accepts a step either as a
      transformer or as a resampler, so `transform` is not available in this case.

    After `set_output`, flattened images are returned as data frames. Images of shape
    (n, h, w) or (n, h, w, c) stay arrays, because a data frame has two dimensions.

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
        Horizontal and vertical zoom factors are drawn independently from 1 minus this to
        1 plus this. Factors above 1 shrink the image.
    horizontal_flip : bool, default=False
        Whether to mirror each image left to right with probability 0.5, which turns a
        left eye into a right one.
    brightness_range : float in [0, 1], default=0.0
        Offsets are drawn from plus or minus this fraction of the full intensity range.
    contrast_range : float in [0, 1], default=0.0
        Differences from the mean intensity of an image are multiplied by a factor drawn
        from 1 minus this to 1 plus this.
    fill_mode : {"nearest", "reflect", "constant"}, default="nearest"
        How to fill pixels from outside the image: with the nearest edge pixel, with the
        mirror image, or with black.
    amplitude_mix : float in [0, 1], default=0.0
        The amplitude spectrum of each image is mixed with that of another, randomly chosen
        image, whose weight is drawn from 0 to this; the phases are kept [2]_. This changes
        the texture and illumination of an image, as another device would, but keeps its
        shapes. `fit_transform` and `fit_resample` choose the other image from all images
        to vary. An estimator chooses it from the images that it loads together, which are
        a few batches.
    gamma_range : float in [0, 3], default=0.0
        Intensities are raised to a power whose natural logarithm is drawn from plus or
        minus this.
    gaussian_blur : float in [0, 10], default=0.0
        Standard deviations of a Gaussian blur in pixels are drawn from 0 to this.
    random_erasing : float in [0, 1], default=0.0
        Probability that a box in an image is filled with a random grey value [3]_. The
        height and width of the box are drawn from 10 to 30 % of those of the image.
    speckle_noise, gaussian_noise : float in [0, 1], default=0.0
        Standard deviations of multiplicative and additive Gaussian noise are drawn from 0
        to this for each image [4]_. They are relative to the value of each pixel and to the
        full intensity range, respectively.
    noise_fraction : float in [0, 1], default=1.0
        Fraction of the images to which noise is added. The others help the network to stay
        accurate on images without noise.
    n_copies : int, dict or None, default=None
        Number of variants of each image that a resampler adds. A dict gives the number
        for each class, as in ``{2: 3, 3: 3}``; no variants of other classes are added.
        Must be None for a transformer, or if `sampling_strategy` is set.
    sampling_strategy : str, float, dict, callable or None, default=None
        Classes to which a resampler adds variants, as in the over-samplers of
        imbalanced-learn:

        - ``"not majority"``, ``"all"`` or ``"auto"``: all classes become as large as the
          largest one; ``"minority"``: only the smallest class does; ``"not minority"``:
          all classes except the smallest do;
        - a float, for two classes only: the final number of images of the smaller class
          divided by that of the larger one;
        - a dict: the final number of images of each class in it;
        - a callable that takes `y` and returns such a dict.

        Within a class, the numbers of variants per image differ by at most one. Must be
        None for a transformer, or if `n_copies` is set.
    random_state : int, RandomState instance or None, default=None
        Seed of the random changes. An estimator uses its own `random_state` instead.

    Attributes
    ----------
    image_shape_ : tuple of (h, w, c)
        Shape of the images seen in `fit`.
    n_features_in_ : int
        Number of pixel values in an image, ``h * w * c``.
    feature_names_in_ : ndarray of shape (h * w * c,)
        Names of the columns if `X` in `fit` was a data frame of flattened images.
    sample_indices_ : ndarray of shape (n_resampled,), int
        For each image returned by `fit_resample`, the index in `X` of its original. Thus
        ``groups[augmenter.sample_indices_]`` are the groups (patients) of these images.

    See Also
    --------
    MediumOCTNet : Estimator that augments on the fly with ``augmentation=``.

    References
    ----------
    .. [1] L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
       Benchmark", University College Freiburg, 2021.
    .. [2] Q. Xu et al., "A Fourier-based Framework for Domain Generalization", CVPR 2021
       (amplitude mix).
    .. [3] Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, "Random Erasing Data Augmentation",
       AAAI 2020.
    .. [4] E. Rusak et al., "A simple way to make neural networks robust against diverse
       image corruptions", ECCV 2020.

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
        "amplitude_mix": [Interval(Real, 0, 1, closed="both")],
        "gamma_range": [Interval(Real, 0, 3, closed="both")],
        "gaussian_blur": [Interval(Real, 0, 10, closed="both")],
        "random_erasing": [Interval(Real, 0, 1, closed="both")],
        "speckle_noise": [Interval(Real, 0, 1, closed="both")],
        "gaussian_noise": [Interval(Real, 0, 1, closed="both")],
        "noise_fraction": [Interval(Real, 0, 1, closed="both")],
        "n_copies": [None, dict, Interval(Integral, 1, None, closed="left")],
        "sampling_strategy": [
            None,
            StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
            Interval(Real, 0, 1, closed="right"),
            dict,
            callable,
        ],
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
        amplitude_mix=0.0,
        gamma_range=0.0,
        gaussian_blur=0.0,
        random_erasing=0.0,
        speckle_noise=0.0,
        gaussian_noise=0.0,
        noise_fraction=1.0,
        n_copies=None,
        sampling_strategy=None,
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
        self.amplitude_mix = amplitude_mix
        self.gamma_range = gamma_range
        self.gaussian_blur = gaussian_blur
        self.random_erasing = random_erasing
        self.speckle_noise = speckle_noise
        self.gaussian_noise = gaussian_noise
        self.noise_fraction = noise_fraction
        self.n_copies = n_copies
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    @classmethod
    def from_preset(cls, name, **params):
        """Create an augmenter with a named set of parameters.

        Parameters
        ----------
        name : {"training", "demonstration", "residual"}
            "training" are the settings with which the report trained its networks, which
            are the defaults; "demonstration" are the stronger settings of a figure in the
            report; "residual" are those of :class:`~octsk.ResidualOCTNet`.
        **params
            Parameters that differ from the preset.

        Returns
        -------
        OCTAugmenter
            The augmenter.

        Raises
        ------
        ValueError
            If `name` is unknown.

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
            Ignored. Present for use in pipelines.

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
        """Return the images unchanged, since only training images are augmented.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`.

        Returns
        -------
        ndarray, or a data frame if `set_output` requests one
            `X`, unchanged.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the augmenter is not fitted.
        ValueError
            If the images have a different shape than in `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> bool((OCTAugmenter().fit(X).transform(X) == X).all())
        True
        """
        check_is_fitted(self)
        return self._output(validate_images(self, X, reset=False), X)

    @available_if(_transforms)
    def fit_transform(self, X, y=None):
        """Return one random variant of each image.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1.
        y : None
            Ignored. Present for use in pipelines.

        Returns
        -------
        ndarray, or a data frame if `set_output` requests one
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
        images, rng = self._fit(X), check_random_state(self.random_state)
        return self._output(self._vary(images, np.arange(len(images)), rng), X)

    def _output(self, images, X):
        images = images.reshape(as_array(X, "X").shape)
        if images.ndim > 2:
            return images
        return _wrap_data_with_container("transform", images, X, self)

    @available_if(_resamples)
    def fit_resample(self, X, y):
        """Return the images followed by random variants of them.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        X_resampled : ndarray of n_resampled images
            The images, followed by their first variants, their second ones and so on. If
            `X` is a pandas or polars data frame, so is the result.
        y_resampled : ndarray of shape (n_resampled,)
            Labels of these images.

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
        >>> rare = OCTAugmenter(sampling_strategy="not majority", random_state=0)
        >>> rare.fit_resample(X, [0, 1, 1])[1].tolist()
        [0, 1, 1, 0]
        """
        images = self._fit(X)
        y = check_column(y)
        check_lengths(X, y)
        rng = check_random_state(self.random_state)
        n_variants = count_variants(self.n_copies, self.sampling_strategy, y, rng)
        rounds = range(n_variants.max())
        sources = [np.flatnonzero(n_variants > i) for i in rounds]
        self.sample_indices_ = np.concatenate([np.arange(len(images)), *sources])
        varied = self._vary(images, self.sample_indices_[len(images) :], rng)
        more = np.concatenate([images, varied]).reshape(-1, *as_array(X, "X").shape[1:])
        adapter = ADAPTERS_MANAGER.adapters.get(type(X).__module__.split(".")[0])
        if adapter is not None:  # for pandas and polars
            more = adapter.create_container(more, more, list(X.columns))
        return more, y[self.sample_indices_]

    def _vary(self, images, sources, rng):
        """Return a random variant of each image whose index is in `sources`."""
        check_eager()
        draws = self.draw(len(sources), images.shape[1:], rng)
        varied = np.empty((len(sources), *images.shape[1:]), images.dtype)
        size = images_at_a_time(images.shape[1:])
        others = None
        for start in range(0, len(sources), size):
            part = slice(start, start + size)
            unit = to_unit(to_batch(images[sources[part]]))
            if self.amplitude_mix:
                # float32 may have rounded a number just below 1 to 1, hence the minimum.
                chosen = (draws[part, 8] * len(sources)).astype(int)
                others = images[sources[np.minimum(chosen, len(sources) - 1)]]
                others = to_unit(to_batch(others))
            unit = self.warp(unit, draws[part], others).numpy()
            # Round, do not truncate, so that changes of size 0 leave the images unchanged.
            varied[part] = unit if images.dtype.kind == "f" else np.rint(unit * 255)
        return varied

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # By design, fit_transform changes the images and transform does not.
        tags.non_deterministic = True
        return tags


# The class statement above has disabled set_output too, which this line makes available.
OCTAugmenter._sklearn_auto_wrap_output_keys = {"transform"}
