"""Patients that have images in several splits."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.untrusted import first_few, printable
from octsk.utils.user_warnings import warn_user

SPLITS = ("train", "val", "test")


class SplitWarning(UserWarning):
    """Something about the splits of a data set makes its figures misleading."""


def shared_groups(dataset: Mapping | None) -> dict[tuple[str, str], list]:
    """Find the groups (patients) that have images in more than one split.

    Unknown groups (None, NaN) are never the same.

    Parameters
    ----------
    dataset : Bunch or None
        A data set with its splits, or one split, which knows of the others what
        `load_medmnist` found in the file (`shared_groups`).

    Returns
    -------
    dict of list
        The groups in both splits, for each pair of splits that share any; empty where
        there are none, or nothing is known of them.
    """
    dataset = {} if dataset is None else dataset
    groups = {}
    for split in SPLITS:
        part = dataset.get(split)
        column = part.get("groups") if isinstance(part, Mapping) else None
        if column is not None and np.shape(column)[1:] in [(), (1,)]:
            groups[split] = {
                _identity(one): one
                for one in np.ravel(column).tolist()
                if not is_missing(one, MISSING_TEXT)
            }
    if len(groups) < 2:
        return dataset.get("shared_groups") or {}
    pairs = combinations(groups, 2)
    shared = {
        (a, b): [one for key, one in groups[a].items() if key in groups[b]]
        for a, b in pairs
    }
    return {pair: both for pair, both in shared.items() if both}


def _identity(group) -> str:
    """Return what is the same for a number in one split and its text in another."""
    is_whole = isinstance(group, float) and group.is_integer()
    return str(int(group) if is_whole else group).strip()


def warn_of_shared_groups(dataset: Mapping | None) -> None:
    """Warn of groups (patients) that have images in more than one split."""
    words = [
        f"{a} and {b} share {len(both)} ({first_few(both)})"
        for (a, b), both in shared_groups(dataset).items()
    ]
    if words:
        name = printable((dataset or {}).get("name") or "the data set")
        warn_user(
            f"{name} has images of the same patients (groups) in several splits: "
            f"{'; '.join(words)}. Figures measured on such patients are too good for new "
            "ones; split the images by patient.",
            SplitWarning,
        )
