"""Explanation by occlusion: how a probability falls when a part is covered."""

from numbers import Integral

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_scalar

from octsk.inspection._arguments import check_arguments
from octsk.training._fitting import Forward, logits


def occlusion_sensitivity(estimator, X, *, target=None, patch_size=None, stride=None):
    """Explain a net's probabilities by covering a part of the image at a time.

    A black square is moved over the image; each pixel of the map is by how much the
    probability of the class falls when the pixel is covered, on average over the places
    of the square that cover it. Nothing but predictions is needed.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted net.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label or array-like of shape (n,), default=None
        Class to explain, or one for each image. None explains the predicted ones.
    patch_size : int, default=None
        Side of the square in pixels, at most that of the image. None: a fifth of the
        image's shorter side, 5 at 28 pixels.
    stride : int, default=None
        Pixels from one place of the square to the next, at most `patch_size`. None: half
        of `patch_size`, so that some 170 images are predicted for each.

    Returns
    -------
    ndarray of shape (n, h, w), float32
        The maps, from -1 to 1: above 0 where covering takes from the probability of the
        class, below 0 where it adds to it.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is no net of octsk, or a size no integer.
    ValueError
        If the images, classes or sizes are not as described.

    See Also
    --------
    grad_cam : Faster, and coarser in deep nets.
    octsk.ExplanationDisplay : Draws the maps over the images.

    Notes
    -----
    The square is black because that is how OCT shows nothing: where no light comes back.
    On phantoms a black one found lesions more often than one of the image's mean grey, and
    a fifth of the side more often than a quarter.

    References
    ----------
    M. D. Zeiler, R. Fergus, Visualizing and understanding convolutional networks, ECCV
    2014: the probability of the class under a grey square.

    Examples
    --------
    >>> from octsk import SmallOCTNet, make_oct_phantoms, occlusion_sensitivity
    >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> net = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
    >>> occlusion_sensitivity(net, X[:5], stride=5).shape
    (5, 28, 28)
    """
    images, columns = check_arguments(estimator, X, target)
    height, width = images.shape[1:3]
    if patch_size is None:
        patch_size = max(1, min(height, width) // 5)
    if stride is None:
        stride = max(1, patch_size // 2)
    check_scalar(patch_size, "patch_size", Integral, min_val=1, max_val=min(height, width))
    check_scalar(stride, "stride", Integral, min_val=1, max_val=patch_size)
    forward = Forward(estimator.model_)

    def probability(pixels):
        return softmax(logits(forward, pixels), axis=1)[np.arange(len(columns)), columns]

    whole = probability(images)
    maps = np.zeros(images.shape[:3], dtype=np.float32)
    times = np.zeros((height, width), dtype=np.float32)
    for top in _steps(height, patch_size, stride):
        for left in _steps(width, patch_size, stride):
            square = slice(top, top + patch_size), slice(left, left + patch_size)
            covered = images.copy()
            covered[:, *square] = 0
            maps[:, *square] += (whole - probability(covered))[:, None, None]
            times[square] += 1
    return maps / times


def _steps(length, size, stride):
    """Return the places of a square along an axis, the last one at its end."""
    return sorted({*range(0, length - size, stride), length - size})
