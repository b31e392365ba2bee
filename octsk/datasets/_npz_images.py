"""Images from an npz file, with labels or without."""

import os
from pathlib import Path

import numpy as np

from octsk.datasets import _npz


def load_npz_images(path: str | os.PathLike, *, split: str = "test") -> np.ndarray:
    """Load the images of an npz file to classify them.

    Parameters
    ----------
    path : path
        A file with an array ``images``, or in MedMNIST's layout (labels may be absent).
    split : {"train", "val", "test"}, default="test"
        Which images of a file in MedMNIST's layout; a file with ``images`` has no splits.

    Returns
    -------
    images : ndarray of shape (n, h, w) or (n, h, w, c)
        As they are in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a folder.
    ValueError
        If the file is broken or foreign or has neither array.
    """
    path = Path(path).expanduser()
    _npz.check_is_npz(path)
    wanted = ("images", f"{split}_images")
    members = _npz.read_headers(path, set(wanted))
    for key in wanted:
        if key in members:
            return _npz.read_array(path, members[key])
    raise ValueError(
        f"{path} has neither {wanted[0]!r} nor {wanted[1]!r}, but {_npz.list_keys(path)}"
    )
