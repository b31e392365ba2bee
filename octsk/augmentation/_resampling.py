"""Number of variants of each image that a resampler adds."""

from numbers import Integral, Real

import numpy as np


def count_variants(n_copies, sampling_strategy, y, rng):
    """Return how many variants of each image a resampler adds.

    Parameters
    ----------
    n_copies, sampling_strategy
        Parameters of :class:`OCTAugmenter`, one of which must be None.
    y : ndarray of shape (n,)
        Labels.
    rng : numpy.random.RandomState
        Generator that chooses which images of a class get one more variant than others.

    Returns
    -------
    ndarray of shape (n,), int
        The number of variants of each image.

    Raises
    ------
    ValueError
        If both parameters are set, or if the one that is set does not fit the classes.
    """
    if n_copies is not None and sampling_strategy is not None:
        raise ValueError(
            f"n_copies={n_copies!r} and sampling_strategy={sampling_strategy!r} are both "
            "set; leave one of them at None."
        )
    labels, of_class, counts = np.unique(y, return_inverse=True, return_counts=True)
    size = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    if isinstance(n_copies, Integral):
        return np.full(len(y), n_copies)
    if n_copies is not None:
        _check_by_class("n_copies", n_copies, dict.fromkeys(size, 0))
        return np.array([n_copies.get(label, 0) for label in size])[of_class]
    target = size | _target_sizes(sampling_strategy, y, size)
    added = np.array(list(target.values())) - counts
    n_variants = (added // counts)[of_class]
    for i, n_left in enumerate(added % counts):
        n_variants[rng.permutation(np.flatnonzero(of_class == i))[:n_left]] += 1
    return n_variants


def _target_sizes(strategy, y, size):
    """Return the final number of images of each class to which variants are added."""
    smallest, largest = min(size, key=size.get), max(size, key=size.get)
    if isinstance(strategy, str):
        chosen = {"minority": {smallest}, "not minority": size.keys() - {smallest}}
        return dict.fromkeys(chosen.get(strategy, size), size[largest])
    if isinstance(strategy, Real):
        if len(size) != 2:
            raise ValueError(
                f"sampling_strategy={strategy!r} is a ratio of two classes, but y has "
                f"{len(size)}: {list(size)}. Pass a dict of class sizes."
            )
        smallest = next(label for label in size if label != largest)
        target = int(strategy * size[largest])
        if target < size[smallest]:
            raise ValueError(
                f"sampling_strategy={strategy!r} asks for {target} images of the class "
                f"{smallest!r}, which already has {size[smallest]}; the ratio must be at "
                f"least {size[smallest] / size[largest]:.3g}."
            )
        return {smallest: target}
    target = strategy(y) if callable(strategy) else strategy
    _check_by_class("sampling_strategy", target, size)
    return target


def _check_by_class(name, numbers, least):
    """Check that `numbers` maps classes of `y` to integers of at least ``least[class]``."""
    if not isinstance(numbers, dict):
        raise ValueError(f"{name} must return a dict of class sizes, got {numbers!r}.")
    for label, number in numbers.items():
        if label not in least:
            raise ValueError(
                f"{name} names the class {label!r}, which is not in y; the classes in y "
                f"are {list(least)}."
            )
        if not isinstance(number, Integral) or number < least[label]:
            raise ValueError(
                f"{name}[{label!r}] must be an int of at least {least[label]}, got "
                f"{number!r}. A resampler only adds images."
            )
