"""The container in which data sets are returned."""

import numpy as np
from sklearn.utils import Bunch


class DataBunch(Bunch):
    """A Bunch that prints what it holds: one line per entry, no pixels."""

    def __repr__(self):
        lines = (
            f"  {key}: {_brief(value)}" for key, value in self.items() if key != "DESCR"
        )
        return "\n".join((type(self).__name__, *lines))


def _brief(value) -> str:
    if isinstance(value, np.ndarray):
        mapped = ", memory-mapped" if isinstance(value, np.memmap) else ""
        return f"{value.dtype} {value.shape}{mapped}"
    if isinstance(value, Bunch):
        return f"{len(value.target):,} images"
    return repr(value)
