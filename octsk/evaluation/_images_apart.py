"""Check that a threshold is not chosen on the images that are evaluated."""

import hashlib
from collections.abc import Callable

import numpy as np


def check_apart(X_val, X, groups_val, groups) -> list[str]:
    """Check that the threshold is not chosen on the evaluated images.

    Returns
    -------
    list of str
        Remarks on images and groups that are in both sets.

    Raises
    ------
    ValueError
        If all evaluated images are among the validation images.
    """
    remarks = []
    ours = image_digests(X)
    n_shared = count_shared(ours, image_digests(X_val))
    if n_shared and n_shared == len(ours):
        raise ValueError(
            "the threshold must not be chosen on the images that are evaluated: all of "
            "them are among the validation images. Pass other images as X_val and y_val."
        )
    if n_shared:
        remarks.append(
            f"THRESHOLD CHOSEN ON TEST IMAGES: {n_shared:,} of the evaluated images are "
            "among the validation images, too. The results are too optimistic."
        )
    if groups is not None and groups_val is not None:
        both = {*np.ravel(groups).tolist()} & {*np.ravel(groups_val).tolist()}
        if both:
            remarks.append(
                f"THRESHOLD CHOSEN ON TEST PATIENTS: {len(both):,} of the evaluated "
                "patients have validation images, too. The results are too optimistic."
            )
    return remarks


def count_shared(digests, others) -> int:
    """Return how many of some images are among others, by their hashes."""
    known = set(others)
    return sum(digest in known for digest in digests)


def image_digests(X) -> list[bytes]:
    """Return a hash of each image; none if `X` is no numeric array."""
    X = np.asarray(X)
    if X.ndim < 2 or X.dtype == object:
        return []
    hashed: Callable = hashlib.blake2b
    return [hashed(np.ascontiguousarray(image), digest_size=16).digest() for image in X]
