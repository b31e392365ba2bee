"""Corruptions of images of 28 pixels, in five severities each.

Which: those that MedMNIST-C has for OCT (F. Di Salvo, S. Doerrich, C. Ledig, MedMNIST-C:
Comprehensive benchmark and improved classifier robustness by simulating realistic image
corruptions, 2024), and of ImageNet-C (D. Hendrycks, T. Dietterich, Benchmarking Neural
Network Robustness to Common Corruptions and Perturbations, ICLR 2019) those that mean
something in a grey image of this size.

How strong: MedMNIST-C's severities are for 224 pixels, where a blur of 2 pixels or a noise
of single pixels is less than one pixel of 28. So they are those of CIFAR-10-C, the
ImageNet-C of 32 pixels (the authors' create_c/make_cifar_c.py), and lengths in pixels are
taken as they are, since 28 is near 32: in proportion to the image they are 8/7 of those.
Contrast knows no pixels: its factors are MedMNIST-C's for OCT.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

Images = np.ndarray


class Corruption(NamedTuple):
    """A function of images in [0, 1], a parameter and a generator; five parameters."""

    function: Callable[[Images, Any, np.random.Generator], Images]
    severities: Sequence[Any]
    parameter: str


def corrupt(images: Images, name: str, severity: int) -> Images:
    """Corrupt uint8 images, of shape (n, h, w) or (n, h, w, 3).

    The severity is 1 to 5. What is random is drawn anew for each corruption and the same
    at each of its severities and in each call.
    """
    function, severities, _ = CORRUPTIONS[name]
    rng = np.random.default_rng(list(CORRUPTIONS).index(name))
    result = function(images / 255, severities[severity - 1], rng)
    return np.rint(255 * np.clip(result, 0, 1)).astype(np.uint8)


# --- Noise ------------------------------------------------------------------------------


def _gaussian_noise(x, deviation, rng):
    from skimage.util import random_noise

    return random_noise(x, "gaussian", rng=rng, var=deviation**2)


def _speckle_noise(x, deviation, rng):
    from skimage.util import random_noise

    return random_noise(x, "speckle", rng=rng, var=deviation**2)


def _shot_noise(x, photons, rng):
    # scikit-image's "poisson" takes the number of photons from the image, not from us.
    return rng.poisson(photons * x) / photons


# --- Blur -------------------------------------------------------------------------------


def _gaussian_blur(x, deviation, rng):
    from skimage.filters import gaussian

    across_images_and_channels = [0, deviation, deviation, 0][: x.ndim]
    return gaussian(x, across_images_and_channels, mode="mirror")


def _defocus_blur(x, radius_and_softness, rng):
    from skimage.draw import disk
    from skimage.filters import gaussian

    radius, softness = radius_and_softness
    kernel = np.zeros((7, 7))
    # The draw of a disk leaves its edge out.
    kernel[disk((3, 3), radius + 1e-6)] = 1
    return _convolve(x, gaussian(kernel, softness))


def _motion_blur(x, radius_and_deviation, rng):
    from skimage.transform import rotate

    # As ImageMagick's: a trail to one side, which fades as half a Gaussian curve.
    radius, deviation = radius_and_deviation
    trail = np.zeros((2 * radius + 1, 2 * radius + 1))
    trail[radius, radius:] = np.exp(-0.5 * (np.arange(radius + 1) / deviation) ** 2)
    angles = rng.uniform(-45, 45, len(x))
    turned = (rotate(trail, angle) for angle in angles)
    return np.stack(
        [_convolve(image[None], kernel)[0] for image, kernel in zip(x, turned, strict=True)]
    )


def _convolve(x, kernel):
    kernel = kernel / kernel.sum()
    axes = (0, *range(3, x.ndim))
    return ndimage.convolve(x, np.expand_dims(kernel, axes), mode="mirror")


# --- Light ------------------------------------------------------------------------------


def _brightness(x, added, rng):
    return x + added


def _contrast_down(x, factor, rng):
    mean = x.mean(axis=tuple(range(1, x.ndim)), keepdims=True)
    return mean + factor * (x - mean)


# --- Files ------------------------------------------------------------------------------


def _jpeg_compression(x, quality, rng):
    return _by_pillow(x, lambda image: _compressed(image, quality))


def _compressed(image, quality):
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _pixelate(x, share, rng):
    def pixelated(image):
        small = [int(share * side) for side in image.size]
        box = Image.Resampling.BOX
        return image.resize(small, box).resize(image.size, box)

    return _by_pillow(x, pixelated)


def _by_pillow(x, change):
    pixels = np.rint(255 * x).astype(np.uint8)
    changed = [np.asarray(change(Image.fromarray(image))) for image in pixels]
    return np.stack(changed) / 255


CORRUPTIONS = {
    # MedMNIST-C's for OCT.
    "jpeg_compression": Corruption(_jpeg_compression, (80, 65, 58, 50, 40), "quality"),
    "pixelate": Corruption(
        _pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), "side of the coarse image"
    ),
    "speckle_noise": Corruption(
        _speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2), "deviation, times the pixel"
    ),
    "motion_blur": Corruption(
        _motion_blur,
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "longest trail and its deviation, pixels",
    ),
    "defocus_blur": Corruption(
        _defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "radius of the disk and deviation of its softening, pixels",
    ),
    "contrast_down": Corruption(
        _contrast_down, (0.6, 0.4, 0.3, 0.2, 0.15), "factor; MedMNIST-C's"
    ),
    # ImageNet-C's.
    "gaussian_noise": Corruption(
        _gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), "deviation"
    ),
    "shot_noise": Corruption(
        _shot_noise, (500, 250, 100, 75, 50), "photons in a white pixel"
    ),
    "gaussian_blur": Corruption(
        _gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1), "deviation, pixels"
    ),
    "brightness": Corruption(_brightness, (0.05, 0.1, 0.15, 0.2, 0.3), "added"),
}
