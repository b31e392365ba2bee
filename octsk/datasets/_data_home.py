"""The folder in which data sets are kept."""

import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Return the folder in which data sets are kept.

    Parameters
    ----------
    data_home : path, default=None
        The folder to use. If None, it is the folder that the environment variable
        ``OCTSK_DATA`` names or, if this is not set, the platform's cache folder for octsk.

    Returns
    -------
    folder : pathlib.Path
        The folder; it may not exist yet.

    Raises
    ------
    OSError
        If no folder is given and the home directory is unknown, as in some containers.

    Examples
    --------
    >>> from octsk.datasets import get_data_home
    >>> get_data_home("scans").name
    'scans'
    """
    import pooch

    try:
        return Path(
            data_home or os.environ.get("OCTSK_DATA") or pooch.os_cache("octsk")
        ).expanduser()
    except RuntimeError as error:
        raise OSError(
            "there is no folder for data sets, because the home directory is unknown; set "
            "data_home (--data-home) or the environment variable OCTSK_DATA"
        ) from error


def make_unpack_folder(folder: Path) -> Path:
    """Create a folder in `data_home`, or raise an OSError that names the argument."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"data_home: the folder {folder} cannot be created ({error.strerror}); set "
            "data_home or the environment variable OCTSK_DATA to another one",
        ) from error
    return folder
