"""The splits of a data set, and groups (patients) that several splits share."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.untrusted import first_few, printable
from octsk.utils.user_warnings import warn_user

SPLITS = ("train", "val", "test")


class SplitWarning(UserWarning):
    """Warning about splits of a data set that make results misleading."""


def shared_groups(dataset: Mapping | None) -> dict[tuple[str, str], list]:
    """Find the groups (patients) that have images in more than one split.

    Unknown groups (None, NaN) never count as shared.

    Parameters
    ----------
    dataset : Bunch or None
        A data set with splits, or one split with the entry ``shared_groups`` of
        `load_medmnist`, which has compared it with the other splits in its file.

    Returns
    -------
    dict of list
        For each pair of splits that share groups, the groups that both contain. The dict
        is empty if no groups are shared, or if no groups are known.
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
    """Return a string that is the same for a number and for its text in another split."""
    is_whole = isinstance(group, float) and group.is_integer()
    return str(int(group) if is_whole else group).strip()


def warn_of_shared_groups(dataset: Mapping | None) -> None:
    """Warn about groups (patients) that have images in more than one split."""
    words = [
        f"{a} and {b} share {len(both)} ({first_few(both)})"
        for (a, b), both in shared_groups(dataset).items()
    ]
    if words:
        name = printable((dataset or {}).get("name") or "the data set")
        warn_user(
            f"{name} has images of the same patients (groups) in several splits: "
            f"{'; '.join(words)}. Results on such patients are better than those on new "
            "patients; split the images by patient.",
            SplitWarning,
        )
