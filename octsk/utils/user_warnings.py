"""Warnings that point at the caller's own line."""

import sys
import warnings


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that names the line outside octsk that led to it.

    Parameters
    ----------
    message : str
        The message.
    category : type of warning, default=UserWarning
        Its class.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("octsk."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
