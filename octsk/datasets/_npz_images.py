"""Loading of images from an npz file that need not contain labels."""

import os
from pathlib import Path

import numpy as np

from octsk.datasets import _npz


def load_npz_images(path: str | os.PathLike, *, split: str = "test") -> np.ndarray:
    """Load the images of an npz file without checking their shape and dtype.

    Parameters
    ----------
    path : path
        A file with an array ``images``, or in MedMNIST's layout, possibly without labels.
    split : {"train", "val", "test"}, default="test"
        Split to load from a file in MedMNIST's layout. It is ignored if the file contains
        ``images``.

    Returns
    -------
    images : ndarray of shape (n, h, w) or (n, h, w, c)
        The array in the file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If the file is damaged, is not an npz file, or contains neither array.
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
