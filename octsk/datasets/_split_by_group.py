"""Splits of a data set that keep the images of a patient together."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from octsk.datasets._bunch import DataBunch
from octsk.datasets._shared_groups import SPLITS, SplitWarning
from octsk.utils.columns import check_column, check_groups
from octsk.utils.untrusted import printable
from octsk.utils.user_warnings import warn_user

# Entries with one row for each image.
_OF_IMAGES = ("data", "target", "groups", "filenames")


def split_by_group(dataset, *, test=0.2, val=0.1, random_state=None):
    """Split a data set so that all images of a group (patient) are in one split.

    The groups are distributed so that each split contains about its share of the images of
    each class. The larger the groups are, the more the actual shares may differ from the
    requested ones. No split is left empty if there are enough groups.

    Parameters
    ----------
    dataset : :class:`~sklearn.utils.Bunch`
        A data set with ``data``, ``target`` and ``groups``, for example from
        :func:`~octsk.load_image_folder`, or one with the splits ``train``, ``val`` and
        ``test``, whose images are pooled first.
    test : float, default=0.2
        Share of the images in the test split, at least 0.
    val : float, default=0.1
        Share of the images in the validation split, at least 0. The sum of `test` and
        `val` must be below 1; the other images are in the training split.
    random_state : int, RandomState instance or None, default=None
        Controls the order of groups of the same size. Pass an int to get the same splits
        in each call.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        The splits ``train``, ``val`` and ``test``, and those entries of `dataset` that do
        not have a row for each image. Each split contains its rows of the other entries,
        in their original order. A split with a share of 0 is None.

    Warns
    -----
    UserWarning
        If a split has no image of a class.

    Raises
    ------
    ValueError
        If the data set has no groups, a group is missing, a share is invalid, or there are
        too few groups for the splits.
    TypeError
        If `dataset` is not a Bunch or another mapping, or if a share is not a number.

    See Also
    --------
    load_image_folder : Load images with their groups from folders.
    load_image_table : Load images with their groups from a table.

    Examples
    --------
    >>> import numpy as np
    >>> from octsk.datasets import make_oct_phantoms, split_by_group
    >>> scans = make_oct_phantoms(100, random_state=0)
    >>> scans.groups = np.arange(100) // 4  # 25 patients
    >>> parts = split_by_group(scans, test=0.2, val=0.2, random_state=0)
    >>> len(parts.train.data), len(parts.val.data), len(parts.test.data)
    (60, 20, 20)
    >>> set(parts.train.groups) & set(parts.test.groups)
    set()
    """
    shares = {"test": test, "val": val}
    for name, share in shares.items():
        check_scalar(share, name, Real, min_val=0, max_val=1, include_boundaries="left")
    if not test + val < 1:
        raise ValueError(
            f"test and val must leave images to train on; got test={test} and val={val}"
        )
    pooled, rowwise = _pool(dataset)
    target = check_column(pooled["target"], "dataset.target")
    if pooled.get("groups") is None:
        raise ValueError(
            "dataset has no groups, so its images cannot be split by patient. Load it "
            "with groups, or set dataset.groups to the patient of each image"
        )
    groups = check_groups(pooled["groups"], len(target), "dataset.groups")
    shares = {"train": 1 - test - val, **shares}
    wanted = [split for split in SPLITS if shares[split] > 0]
    places = _deal(groups, target, [shares[split] for split in wanted], random_state)
    about = {key: value for key, value in pooled.items() if key not in rowwise}
    about.pop("split", None)
    parts = dict.fromkeys(SPLITS)
    for number, split in enumerate(wanted):
        rows = np.flatnonzero(places == number)
        if not len(rows):
            raise ValueError(
                f"dataset has too few groups to have {split} images: "
                f"{groups.max() + 1} for {len(wanted)} splits with the shares "
                f"{', '.join(f'{part} {shares[part]:.3g}' for part in wanted)}"
            )
        _warn_of_missing_classes(target, rows, about.get("target_names"), split)
        cut = {key: np.asarray(pooled[key])[rows] for key in rowwise}
        parts[split] = DataBunch(**cut, split=split, **about)
    return DataBunch(**parts, **about)


def _pool(dataset) -> tuple[dict, list[str]]:
    """Pool the splits of a data set; also return the entries with a row for each image."""
    if not isinstance(dataset, Mapping):
        raise TypeError(
            "dataset must be a Bunch with data, target and groups; got "
            f"{type(dataset).__name__}"
        )
    parts = [dataset[name] for name in SPLITS if dataset.get(name) is not None]
    parts = parts or [dataset]
    if lacking := [key for key in ("data", "target") if parts[0].get(key) is None]:
        raise ValueError(f"dataset has no {' and no '.join(lacking)}")
    rowwise = _rowwise(parts[0])
    pooled = {key: value for key, value in parts[0].items() if key != "shared_groups"}
    if len(parts) > 1:
        for key in rowwise:
            pooled[key] = np.concatenate([part[key] for part in parts])
    return pooled, rowwise


def _rowwise(part) -> list[str]:
    """Return the entries of a split that have a row for each image."""
    n = len(part["target"])
    known = [key for key in _OF_IMAGES if part.get(key) is not None]
    for key in {*known} - {"groups"}:  # the errors of check_groups say more
        if len(part[key]) != n:
            raise ValueError(
                f"dataset.{key} must have one entry for each of the {n} images in "
                f"dataset.target; it has {len(part[key])}"
            )
    return known + [
        key
        for key, value in part.items()
        if key not in (*_OF_IMAGES, "target_names")
        and (isinstance(value, list | tuple) or hasattr(value, "__array__"))
        and np.ndim(value)
        and len(value) == n
    ]


def _deal(groups, target, shares, random_state) -> np.ndarray:
    """Return the index of the split of each image.

    Groups are assigned from the largest to the smallest. Each goes to the split to which
    the Sainte-Lague method, which apportions seats in parliaments, would give it, summed
    over the classes.
    """
    classes, labels = np.unique(target, return_inverse=True)
    counts = np.zeros((groups.max() + 1, len(classes)))
    np.add.at(counts, (groups, labels), 1)
    portions = counts / counts.sum(axis=0)
    order = check_random_state(random_state).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    goals = np.asarray(shares, float)
    held = np.zeros((len(goals), len(classes)))
    place = np.empty(len(counts), int)
    for group in order:
        portion = portions[group]
        place[group] = np.argmin((2 * held + portion) @ portion / goals)
        held[place[group]] += portion
    # If there are few groups, a small share may amount to less than one group.
    for split in range(len(goals)):
        numbers = np.bincount(place, minlength=len(goals))
        if not numbers[split] and numbers.max() > 1:
            smallest = next(g for g in order[::-1] if place[g] == numbers.argmax())
            place[smallest] = split
    return place[groups]


def _warn_of_missing_classes(target, rows, names, split) -> None:
    missing = np.setdiff1d(target, target[rows]).tolist()
    if missing:
        words = ", ".join(
            printable(label if names is None else names[label]) for label in missing
        )
        warn_user(
            f"{split} has no images of {words}, which have too few groups (patients)",
            SplitWarning,
        )
