"""Warnings that refer to a line of the user's code."""

import sys
import warnings


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that refers to the line from which the user called octsk.

    Parameters
    ----------
    message : str
        The message.
    category : type of warning, default=UserWarning
        Class of the warning.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("octsk."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
