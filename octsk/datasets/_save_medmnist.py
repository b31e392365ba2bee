"""Writing of data sets in MedMNIST's layout."""

import os
from pathlib import Path

import numpy as np

from octsk.datasets._check_splits import splits_of
from octsk.datasets._npz_layout import (
    read_class_names,
    read_groups,
    read_labels,
    read_layout,
)
from octsk.utils.columns import check_column, check_known
from octsk.utils.files import atomic_write


def save_medmnist(dataset, path: str | os.PathLike) -> Path:
    """Write a data set to an npz file in MedMNIST's layout.

    :func:`~octsk.load_medmnist` then returns the same images, labels, groups, file names
    and class names. An existing file is replaced.

    Parameters
    ----------
    dataset : :class:`~sklearn.utils.Bunch`
        A data set with the splits ``train``, ``val`` and ``test``, some of which may be
        None, for example from :func:`~octsk.split_by_group`. Each split has ``data``,
        uint8 of shape (n, h, w) or (n, h, w, 3), and ``target``, integers from 0 of shape
        (n,). It may have ``groups`` and ``filenames``. The data set may have
        ``target_names``, the names of the classes.
    path : path
        The file to write.

    Returns
    -------
    path : pathlib.Path
        The file that was written.

    Raises
    ------
    TypeError
        If `dataset` is not a Bunch or another mapping.
    ValueError
        If the data set has no splits, or if :func:`~octsk.load_medmnist` could not load the
        file. In this case, no file is written.

    See Also
    --------
    load_medmnist : Load such a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.utils import Bunch
    >>> import octsk
    >>> train, test = (octsk.make_oct_phantoms(8, random_state=k) for k in range(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = octsk.save_medmnist(
    ...         Bunch(train=train, test=test, target_names=train.target_names),
    ...         Path(folder, "phantoms.npz"),
    ...     )
    ...     loaded = octsk.load_medmnist(path)
    >>> loaded.target_names[3], (loaded.train.data == train.data).all().item()
    ('normal', True)
    """
    parts = splits_of(dataset)
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        labels = check_column(part["target"], f"{name}.target")
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{name}.target must be integers; it is {labels.dtype}")
        small = labels.dtype if len(labels) == 0 else np.min_scalar_type(labels.max())
        arrays[f"{name}_images"] = np.asarray(part["data"])
        arrays[f"{name}_labels"] = labels[:, np.newaxis].astype(
            small if labels.min(initial=0) >= 0 else labels.dtype
        )
        for key in ("groups", "filenames"):
            if part.get(key) is not None:
                arrays[f"{name}_{key}"] = _plain(part[key], f"{name}.{key}")
    if (names := dataset.get("target_names")) is not None:
        arrays["class_names"] = np.array(names, str)
    with atomic_write(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        try:
            _check_loadable(temporary)
        except ValueError as error:
            words = str(error).replace(str(temporary), str(path))
            raise ValueError(f"the data set cannot be saved: {words}") from error
    return Path(path)


def _plain(column, name: str) -> np.ndarray:
    """Convert a column of Python objects to strings, since objects are never loaded."""
    column = np.asarray(column)
    if column.dtype.kind != "O":
        return column
    check_known(column, name, "Leave these images out, or give each of them a value.")
    if not all(isinstance(one, str) for one in column.ravel()):
        raise ValueError(f"{name} must be all text or all numbers; got {column!r:.200}")
    return column.astype(str)


def _check_loadable(path: Path) -> None:
    layout = read_layout(path)
    labels = {name: read_labels(path, part["labels"]) for name, part in layout.items()}
    read_class_names(path, labels)
    for part in layout.values():
        read_groups(path, part.get("groups"))
