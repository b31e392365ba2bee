"""Checks of labels, groups and weights, of which each image has one."""

import numpy as np
from sklearn.utils import column_or_1d

# Texts that stand for missing values: those that pandas and NumPy write, and those in files
# that pandas.read_csv treats as missing.
MISSING_TEXT = [
    *("", "nan", "NaN", "-nan", "-NaN", "NaT", "None", "<NA>", "NA", "N/A", "n/a"),
    *("NULL", "null", "#N/A", "#NA"),
]


def check_column(y, name="y", *, warn=True):
    """Check that no label is missing, and return the labels as a one-dimensional array.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels of one type: a list, an array or a column of any data frame library.
    name : str, default="y"
        Name of the argument in error messages.
    warn : bool, default=True
        Whether to warn about the shape (n, 1).

    Returns
    -------
    ndarray of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If a label is missing, or if the labels have another shape or several types.
    """
    shape = getattr(y, "shape", None)
    if shape is not None and len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"{name} has shape {tuple(shape)}; labels must have shape (n,), one for each "
            f"image. Convert one-hot rows to labels by {name}.argmax(axis=1)."
        )
    # numpy.iscomplexobj fails for some array-likes that numpy.asarray accepts.
    kind = getattr(getattr(y, "dtype", None), "kind", None)
    in_list = isinstance(y, list | tuple) and any(isinstance(v, complex) for v in y)
    if kind == "c" or in_list:
        raise ValueError(
            f"{name} holds complex numbers; labels must be real numbers or text."
        )
    check_known(y, name, "Leave these images out, or label them.")
    # scikit-learn converts integers and booleans in pandas's nullable columns to floats.
    column = column_or_1d(np.asarray(y) if hasattr(y, "__array__") else y, warn=warn)
    if _mixes_kinds(y, column):
        raise ValueError(
            f"{name} mixes labels of several kinds, such as numbers and text; convert them "
            "to one kind, such as text."
        )
    return column


def _mixes_kinds(y, column):
    # NumPy converts the numbers in a list that also contains text to text.
    if isinstance(y, list | tuple) and column.dtype.kind in "US":
        return not all(isinstance(label, str | bytes) for label in y)
    if column.dtype != object:
        return False
    try:
        np.unique(column)  # sorts the labels, which fails for several types
    except TypeError:
        return True
    return False


def check_groups(groups, n, name="groups") -> np.ndarray:
    """Check that each of `n` images belongs to a known group.

    Parameters
    ----------
    groups : array-like of shape (n,) or (n, 1)
        The group (patient) of each image, as numbers or text.
    n : int
        Number of images.
    name : str, default="groups"
        Name of the argument in error messages.

    Returns
    -------
    ndarray of shape (n,), int
        The groups, numbered from 0.

    Raises
    ------
    ValueError
        If a group is missing, or if there is not one group for each image.
    """
    if np.shape(groups) not in [(n,), (n, 1)]:
        raise ValueError(
            f"{name} must have shape ({n},), one group for each image; got "
            f"{np.shape(groups)}."
        )
    # In npz files, which must not contain objects, missing groups are stored as text.
    hint = "Leave these images out, or give each of them a group of its own."
    check_known(groups, name, hint, also=MISSING_TEXT)
    if isinstance(groups, list | tuple):
        groups = np.asarray(groups, object).ravel().tolist()
    column = np.ravel(groups)
    if _mixes_kinds(groups, column):
        raise ValueError(
            f"{name} mixes groups of several kinds, such as numbers and text; convert them "
            "to one kind, such as text."
        )
    return np.unique(column, return_inverse=True)[1]


def check_known(values, name, hint, also=()):
    """Raise an error for missing values: NaN, None, NaT, pandas.NA and masked values.

    Parameters
    ----------
    values : array-like of shape (n,) or (n, 1)
        One value for each image.
    name : str
        Name of the argument in the error message.
    hint : str
        A sentence that says what to do about missing values.
    also : sequence of str, default=()
        Texts that stand for a missing value, with or without blanks around them.

    Raises
    ------
    ValueError
        If there are missing values. The message states their number and first positions.
    """
    # Use objects, since NumPy would convert NaN to text in a list that contains text.
    kind = object if isinstance(values, list | tuple) else None
    array = np.asarray(values, kind).ravel()
    if array.dtype.kind == "O":
        missing = np.array([is_missing(value, also) for value in array], bool)
    elif array.dtype.kind in "US":
        missing = np.isin(np.strings.strip(array.astype(str)), also)
    elif array.dtype.kind in "mM":
        missing = np.isnat(array)
    else:
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), bool)
    if isinstance(values, np.ma.MaskedArray):
        missing = missing | np.ma.getmaskarray(values).ravel()
    if missing.any():
        where = [*np.flatnonzero(missing)[:5].tolist(), "..."][: missing.sum()]
        raise ValueError(
            f"{name} has missing values (NaN, None or the like) at {missing.sum()} of "
            f"{len(missing)} positions ({', '.join(map(str, where))}). {hint}"
        )


def is_missing(value, also=()):
    """Return whether a value is missing; texts in `also`, without blanks, count as well."""
    if isinstance(value, str):
        return value.strip() in also
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal nor unequal to anything
        return True
    except ValueError:  # an array
        return False
