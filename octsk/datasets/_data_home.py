"""The folder in which data sets are kept."""

import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Folder in which data sets are kept.

    Parameters
    ----------
    data_home : path, default=None
        The folder to use. If None, the environment variable ``OCTSK_DATA`` names it,
        or else it is the platform's cache folder for octsk.

    Returns
    -------
    folder : pathlib.Path
        The folder; it may not exist yet.

    Raises
    ------
    OSError
        If no folder is named and the home directory is not known, as in some containers.

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
            "there is no folder for data sets, because the home directory is not known; "
            "name one by data_home (--data-home) or the environment variable OCTSK_DATA"
        ) from error


def make_unpack_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"data_home: {folder} cannot be made a folder ({error.strerror}); name another "
            "by data_home or by the environment variable OCTSK_DATA",
        ) from error
    return folder
