"""Columns of a data set other than labels and groups, such as the device of each image."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from octsk.datasets import _npz


def read_column(split: Mapping, name: str, part: str) -> np.ndarray:
    """Return a column of a split from the data set or from the npz file it was loaded from.

    Parameters
    ----------
    split : Bunch
        One split of a data set.
    name : str
        Name of the column: a key of the Bunch, or the last part of the key
        ``{split}_{name}`` of an array in the file.
    part : {"train", "val", "test"}
        Name of the split.

    Raises
    ------
    ValueError
        If there is no such column with one value for each image.
    """
    n = len(split["target"])
    if split.get(name) is not None and np.shape(split[name]) in [(n,), (n, 1)]:
        return np.asarray(split[name]).ravel()
    path, key, keys = split.get("filename"), f"{part}_{name}", []
    if path is not None and Path(path).is_file():
        keys = _npz.list_keys(Path(path))
        if key in keys:
            member = _npz.read_headers(Path(path), {key})[key]
            if member.shape in [(n,), (n, 1)]:
                return _npz.read_array(Path(path), member).ravel()
    source = split.get("name") if path is None else path
    raise ValueError(
        f"{source} has no column {name!r} with one value for each of the {n} images of "
        f"{part!r}; in an npz file, the column is an array {key!r}. It has "
        f"{', '.join(keys) or 'no such arrays'}."
    )
