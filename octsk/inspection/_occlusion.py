"""Occlusion maps: the drop of a probability if a part of the image is covered."""

from numbers import Integral

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_scalar

from octsk.inspection._arguments import check_arguments
from octsk.training import Forward, logits


def occlusion_sensitivity(estimator, X, *, target=None, patch_size=None, stride=None):
    """Compute occlusion maps, which show where covering an image changes a probability.

    A black square is moved over the image. The value of each pixel of the map is the drop
    of the probability of the class, averaged over all positions of the square that cover
    the pixel. The method uses only predictions.

    Parameters
    ----------
    estimator : BaseOCTNet
        A fitted network.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images of the shape seen in `fit`.
    target : label or array-like of shape (n,), default=None
        Class to explain, or one class for each image. None explains the predicted class.
    patch_size : int, default=None
        Side of the square in pixels, which must not exceed the shorter side of the image.
        None uses a fifth of the shorter side, which is 5 for images of 28 pixels.
    stride : int, default=None
        Number of pixels between adjacent positions of the square, at most `patch_size`.
        None uses half of `patch_size`, with which about 170 covered images are predicted
        for each image of 28 x 28 pixels.

    Returns
    -------
    ndarray of shape (n, h, w), float32
        Maps of values from -1 to 1. A value is positive if covering the pixel lowers the
        probability of the class, and negative if it raises it.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator is not a network of octsk, or a size is not an integer.
    ValueError
        If the images, the classes or the sizes are invalid.

    See Also
    --------
    grad_cam : Computes maps faster, which are coarser for deep networks.
    octsk.ExplanationDisplay : Draws the maps over the images.

    Notes
    -----
    The square is black because OCT scans are black where no light is reflected. On
    phantoms, black squares found lesions more often than squares of the mean grey level,
    and squares of a fifth of the side more often than squares of a quarter.

    References
    ----------
    M. D. Zeiler, R. Fergus, Visualizing and understanding convolutional networks, ECCV
    2014, which measures the probability of the class under a grey square.

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
    """Return the positions of a square along an axis, the last of which is at its end."""
    return sorted({*range(0, length - size, stride), length - size})
