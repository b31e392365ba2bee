"""Synthetic retinal B-scans of the four classes of OCTMNIST."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state, check_scalar
from threadpoolctl import threadpool_limits

from octsk.datasets._bunch import DataBunch
from octsk.datasets._medmnist_sets import REGISTRY
from octsk.datasets._phantom_drawing import draw_group

_TARGET_NAMES = REGISTRY["octmnist"].classes

_DESCR = """\
OCT phantoms
============
Synthetic retinal B-scans in the four classes of OCTMNIST, drawn by
`octsk.datasets.make_oct_phantoms` from a simple geometric model of the retina.

No image was taken from an eye. The phantoms are meant for trying out, testing and timing
software where no real data are available. They are not for clinical use. An accuracy on
phantoms says nothing about real scans and must not be compared with published results.

`lesion_mask` marks where each lesion was drawn. It is False everywhere in normal eyes.
"""

# Images are drawn in groups of this size, each with its own random stream. A different
# size would produce different images from the same seed.
_GROUP = 16


def make_oct_phantoms(
    n_samples=1000, *, size=28, weights=None, random_state=None, return_X_y=False
):
    """Draw synthetic retinal B-scans of OCTMNIST's four classes.

    Each phantom is a cross-section of a retina, drawn from a geometric model. It shows the
    layers from the nerve fibres to the pigment epithelium, a choroid that fades with depth,
    a foveal pit in most eyes, and the lesion of its class. Position, tilt, curvature,
    thickness, gain, shadows of vessels, speckle and the white fill at the edges of rotated
    scans vary between images. Lesions range from obvious to invisible, so that no
    classifier can be right for every image.

    The phantoms are synthetic and meant for trying out, testing and timing software
    without real data. They are not for clinical use, and an accuracy on phantoms must not
    be compared with an accuracy on real scans.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images, at least 1.
    size : int, default=28
        Height and width of the images in pixels, at least 8. For the same seed and
        `n_samples`, the same eyes are drawn at every size.
    weights : sequence of 4 floats, default=None
        Non-negative shares of the classes, which are divided by their sum. Each class gets
        its share of `n_samples`, rounded. None means equal shares.
    random_state : int, RandomState instance or None, default=None
        Controls the random drawing. Pass an int for reproducible images.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    phantoms : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : ndarray of shape (n_samples, size, size), uint8
            The images.
        target : ndarray of shape (n_samples,), int64
            Class of each image as an index into `target_names`, in shuffled order.
        target_names : list of 4 str
            Names of the classes.
        lesion_mask : ndarray of shape (n_samples, size, size), bool
            Pixels where the lesion was drawn: cysts, bright foci, fluid below the retina,
            or material above and below the pigment epithelium. The mask is False
            everywhere in normal eyes.
        name, size, split, groups, filename, sha256, DESCR
            The same attributes as those of the other data sets of this module. Attributes
            that do not apply to phantoms are None.
        synthetic : bool
            Always True.
    (data, target) : tuple
        The images and their classes, if `return_X_y` is True.

    Raises
    ------
    TypeError
        If `n_samples` or `size` is not an integer.
    ValueError
        If `n_samples` or `size` is too small, or if `weights` does not contain 4 shares.

    Notes
    -----
    An image shows 5.8 mm by 1.9 mm of retina, which is the square that MedMNIST [2]_ cuts
    from the scans of 512 x 496 pixels that most of the source [1]_ consists of. The layers
    and their order follow the IN-OCT consensus [3]_. The retina is about 300 micrometres
    thick, more around the fovea and less within it, in agreement with measured thicknesses
    (270 micrometres on average over the central millimetre [4]_). Drusen have diameters
    from 60 micrometres, the upper limit of small drusen, to several times 125 micrometres,
    the lower limit of large drusen [5]_. Speckle follows a gamma distribution, as does the
    mean of many independent grains of exponentially distributed intensity [6]_. Grey
    levels, noise, positions and the share of images with white fill were fitted to images
    of OCTMNIST.

    Images are drawn at a multiple of `size`, at least twice as large and at least 84
    pixels, and then reduced to `size` by the antialiased bilinear resize that comes
    closest to that of MedMNIST.

    References
    ----------
    .. [1] D. S. Kermany et al., "Identifying medical diagnoses and treatable diseases by
       image-based deep learning", Cell 172, 2018.
    .. [2] J. Yang et al., "MedMNIST v2 - A large-scale lightweight benchmark for 2D and
       3D biomedical image classification", Scientific Data 10, 2023.
    .. [3] G. Staurenghi et al., "Proposed lexicon for anatomic landmarks in normal
       posterior segment spectral-domain optical coherence tomography: the IN-OCT
       consensus", Ophthalmology 121, 2014.
    .. [4] S. Grover et al., "Normative data for macular thickness by high-definition
       spectral-domain optical coherence tomography (Spectralis)", American Journal of
       Ophthalmology 148, 2009.
    .. [5] F. L. Ferris et al., "Clinical classification of age-related macular
       degeneration", Ophthalmology 120, 2013.
    .. [6] J. M. Schmitt, S. H. Xiang and K. M. Yung, "Speckle in optical coherence
       tomography", Journal of Biomedical Optics 4, 1999.

    Examples
    --------
    >>> from octsk.datasets import make_oct_phantoms
    >>> phantoms = make_oct_phantoms(8, random_state=0)
    >>> phantoms.data.shape, phantoms.data.dtype
    ((8, 28, 28), dtype('uint8'))
    >>> sorted(phantoms.target_names[k] for k in phantoms.target)[::2]
    ['choroidal neovascularization', 'diabetic macular edema', 'drusen', 'normal']
    >>> phantoms.lesion_mask[phantoms.target == 3].any()
    np.False_
    """
    n_samples = check_scalar(n_samples, "n_samples", Integral, min_val=1)
    size = check_scalar(size, "size", Integral, min_val=8)
    counts = _class_counts(n_samples, weights)
    rng = check_random_state(random_state)
    target = rng.permutation(np.repeat(np.arange(4, dtype=np.int64), counts))
    starts = range(0, n_samples, _GROUP)
    seeds = rng.randint(np.iinfo(np.int32).max, size=len(starts), dtype=np.int64)
    data = np.empty((n_samples, size, size), dtype=np.uint8)
    lesion_mask = np.empty(data.shape, dtype=bool)
    # For such small matrix products, threads cost more time than they save.
    with threadpool_limits(limits=1, user_api="blas"):
        for start, seed in zip(starts, seeds, strict=True):
            group = slice(start, start + _GROUP)
            data[group], lesion_mask[group] = draw_group(target[group], size, seed)
    if return_X_y:
        return data, target
    return DataBunch(
        data=data,
        target=target,
        target_names=list(_TARGET_NAMES),
        lesion_mask=lesion_mask,
        name="oct-phantoms",
        size=size,
        split=None,
        groups=None,
        filename=None,
        sha256=None,
        synthetic=True,
        DESCR=_DESCR,
    )


def draw_splits(n_samples, *, size=28, weights=None):
    """Draw a data set with splits, each of which has its own seed.

    Parameters
    ----------
    n_samples : dict of int
        Number of images of the splits ``"train"``, ``"val"`` and ``"test"``. A missing
        split is not drawn.
    size : int, default=28
        Height and width of the images in pixels.
    weights : dict of array-like, default=None
        Class shares of the splits. Splits without an entry have equal shares.

    Returns
    -------
    DataBunch
        Data set with the attributes of one from `load_medmnist`. Splits that are not drawn
        are None.
    """
    weights = weights or {}
    splits = {
        split: make_oct_phantoms(
            n_samples[split], size=size, weights=weights.get(split), random_state=seed
        )
        for seed, split in enumerate(("train", "val", "test"))
        if split in n_samples
    }
    one = next(iter(splits.values()))
    shared = ("name", "size", "target_names", "synthetic", "DESCR")
    return DataBunch(
        **{"train": None, "val": None, "test": None, **splits},
        **{key: one[key] for key in shared},
    )


def _class_counts(n_samples, weights):
    """Return the number of images of each class by the largest remainder method."""
    try:
        shares = np.asarray([1, 1, 1, 1] if weights is None else weights, dtype=float)
    except (TypeError, ValueError):
        shares = np.empty(0)
    total = shares.sum()
    if shares.shape != (4,) or (shares < 0).any() or not 0 < total < np.inf:
        raise ValueError(
            "weights must be None or 4 non-negative numbers that are not all 0, the shares "
            f"of {', '.join(_TARGET_NAMES)}; got {weights!r}."
        )
    exact = n_samples * shares / total
    counts = np.floor(exact).astype(int)
    left_over = n_samples - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:left_over]] += 1
    return counts
