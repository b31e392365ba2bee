"""Hashes that identify the same data across processes."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import joblib
import numpy as np
from scipy import sparse

from octsk.utils.json import describe


def stable_hash(value):
    """Return a hash of nested arrays and tables, which is the same in all processes."""
    # Memory-mapped images must have the same hash as those in memory.
    return joblib.hash(_plain(value), coerce_mmap=True)


def _plain(value):
    """Convert a value, which may be ragged, to nested lists of arrays and strings."""
    if sparse.issparse(value):
        csr = value.tocsr()
        return [csr.shape, csr.data, csr.indices, csr.indptr]
    if isinstance(value, Mapping):
        return [[str(key), _plain(value[key])] for key in sorted(value, key=str)]
    is_list = isinstance(value, (list, tuple))
    array: Any = None
    if is_list or hasattr(value, "__array__"):
        # Lists of arrays of different shapes, and tensors of a graph, are not arrays.
        with suppress(ValueError, TypeError, RuntimeError):
            array = np.ascontiguousarray(value)
    if array is None and not is_list:
        return describe(value)
    if array is None or array.dtype == object:
        array = [np.shape(array), *map(_plain, value if is_list else array.ravel())]
    # Include the column names of data frames of pandas, polars and pyarrow.
    names = getattr(value, "column_names", getattr(value, "columns", None))
    return array if names is None else [list(map(str, names)), array]


def arrays_sha256(X, y) -> str:
    """Return a hash of the shapes, dtypes and values of arrays."""
    digest = hashlib.sha256()
    for array in (np.asarray(X), np.asarray(y)):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
