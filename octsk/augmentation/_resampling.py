"""How many variants of each class a resampler makes."""

from numbers import Integral, Real


def target_sizes(strategy, y, size):
    """Return the number of images that classes are to have.

    Parameters
    ----------
    strategy : str, float, dict or callable
        See the parameter `sampling_strategy` of :class:`OCTAugmenter`.
    y : ndarray of shape (n,)
        Labels.
    size : dict of label to int
        The number of images that each class has.

    Returns
    -------
    dict of label to int
        By class; classes that are to stay as they are may be missing.

    Raises
    ------
    ValueError
        If the strategy does not fit the classes.
    """
    smallest, largest = min(size, key=size.get), max(size, key=size.get)
    if isinstance(strategy, str):
        chosen = {"minority": {smallest}, "not minority": size.keys() - {smallest}}
        return dict.fromkeys(chosen.get(strategy, size), size[largest])
    if isinstance(strategy, Real):
        if len(size) != 2:
            raise ValueError(
                f"sampling_strategy={strategy!r} is a ratio of two classes, but y has "
                f"{len(size)}: {list(size)}. Give a dict of numbers of images."
            )
        smallest = next(label for label in size if label != largest)
        target = int(strategy * size[largest])
        if target < size[smallest]:
            raise ValueError(
                f"sampling_strategy={strategy!r} asks for {target} images of the class "
                f"{smallest!r}, which has {size[smallest]} already; the ratio must be at "
                f"least {size[smallest] / size[largest]:.3g}."
            )
        return {smallest: target}
    target = strategy(y) if callable(strategy) else strategy
    check_by_class("sampling_strategy", target, size)
    return target


def check_by_class(name, numbers, least):
    """Check that a parameter has an int for classes of `y`, not below their `least`."""
    if not isinstance(numbers, dict):
        raise ValueError(f"{name} must return a dict of numbers by class, got {numbers!r}.")
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
