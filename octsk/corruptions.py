"""Corruptions of images by noise, blur, poor lighting and lossy files.

There are ten corruptions with five severities each: those that MedMNIST-C defines for OCT,
and those of ImageNet-C that are meaningful for grey images of 28 pixels.

MedMNIST-C defines its severities for images of 224 pixels. A blur of 2 of these pixels, or
noise in single ones, is smaller than one pixel of a 28-pixel image. The severities here are
therefore those of CIFAR-10-C, the version of ImageNet-C for 32 pixels
(create_c/make_cifar_c.py by its authors). Their lengths in pixels are used as they are,
since 28 is close to 32; relative to the image, they are 32/28 times as large as in
CIFAR-10-C. Contrast does not depend on the number of pixels, so its factors are those of
MedMNIST-C for OCT. On larger images, blur, noise and pixelation are weaker than on images
of 28 pixels.

Noise and blur are computed with scikit-image (``octsk[corruptions]``), which is only
imported when an image is corrupted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from io import BytesIO
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import recall_score
from sklearn.utils import check_scalar

from octsk.metrics.scores import check_predicted, get_classes, predict_indices
from octsk.utils.columns import check_column
from octsk.utils.validation import check_images

__all__ = ["CORRUPTIONS", "Corruption", "corrupt"]

SEVERITIES = range(1, 6)

# Name in tables of the uncorrupted images, whose severity is 0.
CLEAN = "none"

# Number of images that are processed at a time. As float64, the whole set would take eight
# times its memory.
_BATCH = 256


class Corruption(NamedTuple):
    """A kind of corruption.

    Attributes
    ----------
    function : callable
        Function that is called as ``function(images, parameter, generator)`` with float64
        images in [0, 1] of shape (n, h, w) or (n, h, w, 3), a value from `severities`, and
        a `numpy.random.Generator`. It returns images of the same shape, whose values may
        lie outside [0, 1].
    severities : sequence of length 5
        Values of the parameter at severities 1 to 5.
    parameter : str
        Meaning of the parameter.

    Examples
    --------
    >>> from octsk.corruptions import CORRUPTIONS
    >>> CORRUPTIONS["brightness"].severities, CORRUPTIONS["brightness"].parameter
    ((0.05, 0.1, 0.15, 0.2, 0.3), 'added value')
    """

    function: Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]
    severities: Sequence[Any]
    parameter: str


def corrupt(images, name: str, severity: int) -> np.ndarray:
    """Apply a corruption to images.

    The seed of the random numbers depends only on the corruption, so each call returns the
    same images.

    Parameters
    ----------
    images : array-like of uint8, shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Grey (c = 1) or colour (c = 3) images with values from 0 to 255.
    name : str
        Name of a corruption, which is a key of ``octsk.corruptions.CORRUPTIONS``. That
        dictionary defines the strength of each severity.
    severity : int
        Severity of the corruption, from 1 (weakest) to 5 (strongest).

    Returns
    -------
    ndarray of uint8, in the shape of `images`
        The corrupted images. `images` is not modified.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    TypeError
        If `severity` is not an integer.
    ValueError
        If `images` is not an array of uint8 images with 1 or 3 channels, or if `name` or
        `severity` is not one of the accepted values.

    See Also
    --------
    octsk.benchmark.run_benchmark : Measures networks on corrupted images if called with
        ``corruptions=True``.
    octsk.CorruptionDisplay : Draws the errors on corrupted images.

    References
    ----------
    F. Di Salvo, S. Doerrich, C. Ledig, MedMNIST-C: Comprehensive benchmark and improved
    classifier robustness by simulating realistic image corruptions, 2024.

    D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common
    corruptions and perturbations, ICLR 2019.

    Examples
    --------
    >>> import octsk
    >>> scans = octsk.make_oct_phantoms(4, random_state=0).data
    >>> darker = octsk.corrupt(scans, "contrast_down", 5)
    >>> darker.shape, darker.dtype, bool(darker.std() < scans.std())
    ((4, 28, 28), dtype('uint8'), True)
    """
    checked = check_corruptible(images)
    if not isinstance(name, str) or name not in CORRUPTIONS:
        raise ValueError(f"name must be one of {sorted(CORRUPTIONS)}, got {name!r}.")
    check_scalar(severity, "severity", Integral, min_val=1, max_val=5)
    function, severities, _ = CORRUPTIONS[name]
    rng = np.random.default_rng(list(CORRUPTIONS).index(name))
    # Pillow accepts grey images only without an axis for channels.
    source = checked[..., 0] if checked.shape[3] == 1 else checked
    result = np.empty(source.shape, np.uint8)
    # The generator advances from batch to batch, so the batch size does not matter.
    for start in range(0, len(source), _BATCH):
        part = slice(start, start + _BATCH)
        changed = function(source[part] / 255, severities[severity - 1], rng)
        result[part] = np.rint(255 * np.clip(changed, 0, 1))
    return result.reshape(np.shape(images))


def check_corruptible(images, name="images") -> np.ndarray:
    """Check that images can be corrupted, and return them in the shape (n, h, w, c)."""
    checked = check_images(images, name=name)
    if checked.dtype != np.uint8:
        raise ValueError(
            f"{name} has dtype {checked.dtype}, but images to corrupt must be uint8 (0 to "
            "255)."
        )
    if checked.shape[3] not in (1, 3):
        raise ValueError(
            f"{name} has {checked.shape[3]} channels, but images to corrupt must have 1 "
            "(grey) or 3 (colour)."
        )
    _scikit_image("util")
    return checked


def _scikit_image(module):
    """Import a module of scikit-image, or raise an error that says how to install it."""
    try:
        return import_module(f"skimage.{module}")
    except ImportError as error:
        raise ImportError(
            "Corruptions need scikit-image, which is not installed. Install it with "
            'pip install "octsk[corruptions]"'
        ) from error


# --- Evaluation -------------------------------------------------------------------------


def image_sets(images, labels, names: Iterable[str] | None = None) -> Iterator[tuple]:
    """Yield (corruption, severity, images, labels), beginning with the original images."""
    yield CLEAN, 0, images, labels
    for name in CORRUPTIONS if names is None else names:
        for severity in SEVERITIES:
            yield name, severity, corrupt(images, name, severity), labels


def balanced_error(classifier, images, labels) -> float:
    """Return 1 - balanced accuracy, computed as in `octsk.evaluate`."""
    classes, y = get_classes(classifier), check_column(labels, warn=False)
    score = np.asarray(classifier.predict_proba(images))
    check_predicted(classifier, score, len(y), len(classes))
    predicted = classes[predict_indices(score)]
    return 1 - float(recall_score(y, predicted, labels=np.unique(y), average="macro"))


def error_rows(net: str, seed, classifier, sets: Iterable[tuple]) -> list[dict[str, Any]]:
    """Evaluate a classifier on image sets and return rows for `octsk.CorruptionDisplay`."""
    return [
        {
            "net": net,
            "corruption": corruption,
            "severity": severity,
            "balanced_error": balanced_error(classifier, images, labels),
            "seed": seed,
        }
        for corruption, severity, images, labels in sets
    ]


def errors_by_seed(rows: Iterable[dict], net: str, corruption: str) -> list[float]:
    """Return a network's mean error over the severities of a corruption for each seed."""
    seeds: dict[Any, list[float]] = {}
    for row in rows:
        if (row["net"], row["corruption"]) == (net, corruption):
            seeds.setdefault(row["seed"], []).append(row["balanced_error"])
    return [float(np.mean(values)) for values in seeds.values()]


# --- Noise ------------------------------------------------------------------------------


def _gaussian_noise(x, deviation, rng):
    return _scikit_image("util").random_noise(x, "gaussian", rng=rng, var=deviation**2)


def _speckle_noise(x, deviation, rng):
    return _scikit_image("util").random_noise(x, "speckle", rng=rng, var=deviation**2)


def _shot_noise(x, photons, rng):
    # scikit-image's "poisson" mode is not used, since it derives the number of photons from
    # the image.
    return rng.poisson(photons * x) / photons


# --- Blur -------------------------------------------------------------------------------


def _gaussian_blur(x, deviation, rng):
    across_images_and_channels = [0, deviation, deviation, 0][: x.ndim]
    return _scikit_image("filters").gaussian(x, across_images_and_channels, mode="mirror")


def _defocus_blur(x, radius_and_softness, rng):
    radius, softness = radius_and_softness
    kernel = np.zeros((7, 7))
    # skimage.draw.disk excludes the edge of the disk, hence the slightly larger radius.
    kernel[_scikit_image("draw").disk((3, 3), radius + 1e-6)] = 1
    return _convolve(x, _scikit_image("filters").gaussian(kernel, softness))


def _motion_blur(x, radius_and_deviation, rng):
    # As in ImageMagick, the kernel is a one-sided trail that fades as half a Gaussian.
    radius, deviation = radius_and_deviation
    trail = np.zeros((2 * radius + 1, 2 * radius + 1))
    trail[radius, radius:] = np.exp(-0.5 * (np.arange(radius + 1) / deviation) ** 2)
    angles = rng.uniform(-45, 45, len(x))
    rotate = _scikit_image("transform").rotate
    turned = (rotate(trail, angle) for angle in angles)
    return np.stack(
        [_convolve(image[None], kernel)[0] for image, kernel in zip(x, turned, strict=True)]
    )


def _convolve(x, kernel):
    from scipy import ndimage

    kernel = kernel / kernel.sum()
    axes = (0, *range(3, x.ndim))
    return ndimage.convolve(x, np.expand_dims(kernel, axes), mode="mirror")


# --- Lighting ---------------------------------------------------------------------------


def _brightness(x, added, rng):
    return x + added


def _contrast_down(x, factor, rng):
    mean = x.mean(axis=tuple(range(1, x.ndim)), keepdims=True)
    return mean + factor * (x - mean)


# --- Lossy files ------------------------------------------------------------------------


def _jpeg_compression(x, quality, rng):
    from PIL import Image

    def compressed(image):
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _by_pillow(x, compressed)


def _pixelate(x, share, rng):
    from PIL import Image

    def pixelated(image):
        small = [max(1, int(share * side)) for side in image.size]
        box = Image.Resampling.BOX
        return image.resize(small, box).resize(image.size, box)

    return _by_pillow(x, pixelated)


def _by_pillow(x, change):
    from PIL import Image

    pixels = np.rint(255 * x).astype(np.uint8)
    changed = [np.asarray(change(Image.fromarray(image))) for image in pixels]
    return np.stack(changed) / 255


# Corruptions by name. The position of a corruption is its seed, so add new ones at the end.
CORRUPTIONS = {
    # Corruptions that MedMNIST-C defines for OCT.
    "jpeg_compression": Corruption(_jpeg_compression, (80, 65, 58, 50, 40), "quality"),
    "pixelate": Corruption(
        _pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), "side of the coarse image"
    ),
    "speckle_noise": Corruption(
        _speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2), "deviation relative to the pixel"
    ),
    "motion_blur": Corruption(
        _motion_blur,
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "longest trail and its deviation in pixels",
    ),
    "defocus_blur": Corruption(
        _defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "radius of the disk and deviation of its smoothing in pixels",
    ),
    "contrast_down": Corruption(
        _contrast_down, (0.6, 0.4, 0.3, 0.2, 0.15), "factor (of MedMNIST-C)"
    ),
    # Corruptions of ImageNet-C.
    "gaussian_noise": Corruption(
        _gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), "deviation"
    ),
    "shot_noise": Corruption(
        _shot_noise, (500, 250, 100, 75, 50), "photons in a white pixel"
    ),
    "gaussian_blur": Corruption(
        _gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1), "deviation in pixels"
    ),
    "brightness": Corruption(_brightness, (0.05, 0.1, 0.15, 0.2, 0.3), "added value"),
}
